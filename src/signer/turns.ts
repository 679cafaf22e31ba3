import { Fifo } from '../lib/fifo.ts'

/** Lets so many pieces of work go on at once; the others wait in order. How many may wait is for those who send them. */
export class Turns {
  #free: number
  readonly #line = new Fifo<() => void>()

  constructor(atOnce: number) {
    this.#free = atOnce
  }

  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--
    else await new Promise<void>((resolve) => this.#line.push(resolve))
    try {
      return await work()
    } finally {
      // Straight to the next in line, so that nobody who comes now gets before it.
      const next = this.#line.shift()
      if (next === undefined) this.#free++
      else next()
    }
  }
}
