import { randomBytes } from 'node:crypto'

/** Randomness, handed in. `bytes(n)` returns n bytes fit for keys, tokens and serial numbers. */
export interface Random {
  bytes(count: number): Buffer
}

export const systemRandom: Random = { bytes: (count) => randomBytes(count) }
