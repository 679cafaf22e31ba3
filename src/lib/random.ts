import { randomFillSync } from 'node:crypto'

/** Randomness, handed in. `bytes(n)` returns n bytes fit for keys, tokens and serial numbers. */
export interface Random {
  bytes(count: number): Buffer
}

/** Drawn ahead, because a request needs a dozen small values and each draw alone costs a few microseconds. */
const POOL_BYTES = 4096
const pool = Buffer.alloc(POOL_BYTES)
let used = POOL_BYTES

/** The system's generator. What is given out is wiped from the pool, so that nothing later in memory tells of it. */
export const systemRandom: Random = {
  bytes(count) {
    if (count > POOL_BYTES / 8) return randomFillSync(Buffer.alloc(count))
    if (used + count > POOL_BYTES) {
      randomFillSync(pool)
      used = 0
    }
    const drawn = Buffer.from(pool.subarray(used, used + count))
    pool.fill(0, used, used + count)
    used += count
    return drawn
  },
}
