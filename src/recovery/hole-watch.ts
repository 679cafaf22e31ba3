import type { Clock } from '../lib/clock.ts'
import type { ChangePage } from '../store/history.ts'

/** A transaction that took its number and did not commit for so long will not commit any more. */
const PATIENCE_MS = 60_000
/** More than any engine leaves between transactions that run at once. */
export const MOST_HOLES = 10_000

/**
 * Watches rising numbers of which some may come late: on an engine with many writers, an audit event may become visible
 * after one of a greater number. SQLite never leaves a hole, and then there is nothing to watch.
 */
export class HoleWatch {
  readonly #clock: Clock
  /** Missing numbers, each with the monotonic time until which it is waited for. */
  readonly #missing = new Map<number, number>()
  #head: number
  #hasSeen = false

  /** @param head the number up to which everything was seen */
  constructor(head: number, clock: Clock) {
    this.#head = head
    this.#hasSeen = head > 0
    this.#clock = clock
  }

  /** The greatest number seen. */
  get head(): number {
    return this.#head
  }

  /** Notes what was found after the head: everything up to `newest`, or only `ids`, rising. */
  saw({ newest, ids }: Pick<ChangePage, 'newest' | 'ids'>): void {
    const until = this.#clock.monotonicMs() + PATIENCE_MS
    for (const id of ids ?? []) {
      // Before the first one retention may have removed any number of them.
      if (this.#hasSeen && id - this.#head <= MOST_HOLES)
        for (let missing = this.#head + 1; missing < id; missing++) this.#missing.set(missing, until)
      this.#head = id
      this.#hasSeen = true
    }
    if (newest > this.#head) this.#hasSeen = true
    this.#head = Math.max(this.#head, newest)
  }

  /** Where to look again; undefined when nothing is missing. */
  range(): { readonly after: number; readonly upTo: number } | undefined {
    const now = this.#clock.monotonicMs()
    for (const [id, until] of this.#missing) if (until <= now) this.#missing.delete(id)
    if (this.#missing.size === 0) return undefined
    return { after: Math.min(...this.#missing.keys()) - 1, upTo: Math.max(...this.#missing.keys()) }
  }

  /** Notes what was found among the missing ones. @returns those that are new */
  fill({ newest, ids }: Pick<ChangePage, 'newest' | 'ids'>): ReadonlySet<number> {
    const found = ids ?? [...this.#missing.keys()].filter((id) => id <= newest)
    return new Set(found.filter((id) => this.#missing.delete(id)))
  }

  /** The number up to which nothing is missing. */
  complete(): number {
    return this.#missing.size === 0 ? this.#head : Math.min(this.#head, Math.min(...this.#missing.keys()) - 1)
  }
}
