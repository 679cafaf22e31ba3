import { Fifo } from '../../lib/fifo.ts'

/** Answers given in one turn of the event loop while there are few; of many, a quarter, so that their number cannot grow. */
const FEW = 4

/**
 * Tells writers that their write is durable, some in each turn of the event loop. A commit has dozens of them, and each goes
 * on at once with the costly part of its work: it verifies, signs, lints. All of them in one turn would hold up everything else
 * that lives on the loop (KF-F15).
 */
export class PacedAnswers {
  readonly #waiting = new Fifo<() => void>()
  #giving: Promise<void> | undefined

  /** Resolves when all were given; undefined while there are none. */
  get underWay(): Promise<void> | undefined {
    return this.#giving
  }

  /** Gives the first of them in this turn, if none are waiting. The order is kept. */
  give(answers: readonly (() => void)[]): void {
    for (const answer of answers) this.#waiting.push(answer)
    if (this.#giving === undefined && !this.#giveSome()) this.#giving = this.#giveTheRest()
  }

  async #giveTheRest(): Promise<void> {
    do await nextTurn()
    while (!this.#giveSome())
    this.#giving = undefined
  }

  /** @returns whether none are left */
  #giveSome(): boolean {
    for (let left = Math.max(FEW, Math.ceil(this.#waiting.length / 4)); left > 0; left--) this.#waiting.shift()?.()
    return this.#waiting.length === 0
  }
}

export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
