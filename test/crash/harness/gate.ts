import type { SpawnedChancery } from '../../support/chancery.ts'

/** One life of a server, as clients see it. */
export interface Life {
  readonly number: number
  readonly server: SpawnedChancery
  /** Resolves when the process is gone. */
  readonly ended: Promise<void>
}

/** Where clients wait while there is no server, and are sent to one where there are several. */
export class Gate {
  readonly #lives: Life[] = []
  #next = Promise.withResolvers<Life>()
  #isClosed = false
  #turn = 0

  open(life: Life): void {
    this.#lives.push(life)
    this.#next.resolve(life)
    void life.ended.then(() => {
      this.#lives.splice(this.#lives.indexOf(life), 1)
      if (this.#lives.length === 0 && !this.#isClosed) this.#next = Promise.withResolvers<Life>()
    })
  }

  /** No server will come any more: whoever waits is sent home. */
  close(): void {
    this.#isClosed = true
    this.#next.promise.catch(() => undefined)
    this.#next.reject(new RunOver())
  }

  /** One that is up, each in its turn. */
  get current(): Life | undefined {
    return this.#lives[this.#turn++ % this.#lives.length]
  }

  /** @throws {RunOver} when there will be no server any more */
  async server(): Promise<Life> {
    return this.current ?? this.#next.promise
  }
}

/** Ends a story of a client; nothing is wrong. */
export class RunOver extends Error {}
