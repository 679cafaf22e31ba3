import { createHash } from 'node:crypto'
import type { Random } from '../../src/lib/random.ts'

/** The same bytes for the same seed, every time: SHA-256 of seed and counter. For tests only. */
export class SeededRandom implements Random {
  readonly #seed: string
  #counter = 0
  #left = Buffer.alloc(0)

  constructor(seed = 'chancery') {
    this.#seed = seed
  }

  bytes(count: number): Buffer {
    while (this.#left.length < count) {
      const block = createHash('sha256')
        .update(`${this.#seed}/${this.#counter++}`)
        .digest()
      this.#left = Buffer.concat([this.#left, block])
    }
    const taken = Buffer.from(this.#left.subarray(0, count))
    this.#left = this.#left.subarray(count)
    return taken
  }
}
