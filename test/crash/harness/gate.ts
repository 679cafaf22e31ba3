import type { SpawnedChancery } from '../../support/chancery.ts'

/** One life of the server, as clients see it. */
export interface Life {
  readonly number: number
  readonly server: SpawnedChancery
  /** Resolves when the process is gone. */
  readonly ended: Promise<void>
}

/** Where clients wait while there is no server. */
export class Gate {
  #current: Life | undefined
  #next = Promise.withResolvers<Life>()
  #isClosed = false

  open(life: Life): void {
    this.#current = life
    this.#next.resolve(life)
    void life.ended.then(() => {
      if (this.#current === life) this.#shut()
    })
  }

  /** No server will come any more: whoever waits is sent home. */
  close(): void {
    this.#isClosed = true
    this.#next.promise.catch(() => undefined)
    this.#next.reject(new RunOver())
  }

  get current(): Life | undefined {
    return this.#current
  }

  /** @throws {RunOver} when there will be no server any more */
  async server(): Promise<Life> {
    return this.#current ?? this.#next.promise
  }

  #shut(): void {
    this.#current = undefined
    if (!this.#isClosed) this.#next = Promise.withResolvers<Life>()
  }
}

/** Ends a story of a client; nothing is wrong. */
export class RunOver extends Error {}
