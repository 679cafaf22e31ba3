import { createHash } from 'node:crypto'

/**
 * What a simulation leaves to chance, by a seed (sfc32; fast and with no ambition beyond that). Each part of the world
 * draws from a stream of its own (`fork`), so that a part that draws once more does not change all the others.
 */
export class Chance {
  readonly #name: string
  #a: number
  #b: number
  #c: number
  #count = 1

  constructor(name: string) {
    const seed = createHash('sha256').update(name).digest()
    this.#name = name
    this.#a = seed.readInt32LE(0)
    this.#b = seed.readInt32LE(4)
    this.#c = seed.readInt32LE(8)
  }

  fork(name: string): Chance {
    return new Chance(`${this.#name}/${name}`)
  }

  /** At least 0 and below 1. */
  next(): number {
    const sum = (this.#a + this.#b + this.#count++) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + sum
    return (sum >>> 0) / 0x1_0000_0000
  }

  /** True so often out of one. */
  happens(probability: number): boolean {
    return this.next() < probability
  }

  /** A whole number, both ends included. */
  between(low: number, high: number): number {
    return low + Math.floor(this.next() * (high - low + 1))
  }

  /** Whole milliseconds until something that happens `perDay` times a day on average happens again. */
  untilNext(perDay: number): number {
    return Math.ceil((-Math.log(1 - this.next()) / perDay) * 86_400_000)
  }

  pick<T>(choices: readonly [T, ...T[]] | readonly T[]): T {
    return choices[this.between(0, choices.length - 1)] as T
  }
}
