import { available, type GcraRule, gcra } from '../lib/gcra.ts'

const ROWS = 3
/** A power of two. With three rows, 768 KiB for each limit, whatever the number of keys. */
const SLOTS = 1 << 15

/**
 * A limit for any number of keys in fixed memory (KF-F05): a count-min sketch whose cells are the instants of GCRA. A
 * key owns one cell in each row, shares each of them with others, and is judged by the one that says least. So a key is
 * never let through for more than its limit; it may be judged too strictly when strangers fill all of its cells, whose
 * places nobody can foresee without the secret in the digest. Cells only ever grow by what was allowed.
 *
 * Kept in this process, on its monotonic clock: a clock that is set changes nothing.
 */
export class GcraSketch {
  readonly #rule: GcraRule
  readonly #cells = new Float64Array(ROWS * SLOTS)

  constructor(rule: GcraRule) {
    this.#rule = rule
  }

  /**
   * Takes `cost` units for the key of this digest. @returns 0 when they were there, else the microseconds to wait.
   *
   * @param digest at least 12 bytes of a keyed hash
   */
  take(digest: Uint8Array, nowUs: number, cost = 1): number {
    const decision = gcra(this.#rule, this.#least(digest), nowUs, cost)
    if (!decision.allowed) return decision.waitUs
    for (let row = 0; row < ROWS; row++) {
      const cell = cellOf(digest, row)
      if ((this.#cells[cell] as number) < decision.tatUs) this.#cells[cell] = decision.tatUs
    }
    return 0
  }

  /** Whether a unit is there, without taking it. @returns 0, or the microseconds to wait */
  peek(digest: Uint8Array, nowUs: number): number {
    const decision = gcra(this.#rule, this.#least(digest), nowUs, 1)
    return decision.allowed ? 0 : decision.waitUs
  }

  available(digest: Uint8Array, nowUs: number): number {
    return available(this.#rule, this.#least(digest), nowUs)
  }

  get bytes(): number {
    return this.#cells.byteLength
  }

  #least(digest: Uint8Array): number {
    let least = Number.POSITIVE_INFINITY
    for (let row = 0; row < ROWS; row++) least = Math.min(least, this.#cells[cellOf(digest, row)] as number)
    return least
  }
}

function cellOf(digest: Uint8Array, row: number): number {
  const at = row * 4
  const word = ((digest[at] as number) << 16) | ((digest[at + 1] as number) << 8) | (digest[at + 2] as number)
  return row * SLOTS + (word & (SLOTS - 1))
}
