/** A turn of the event loop of less CPU than this leaves room for more work in it. */
const SHORT_TURN_MS = 4
/** A turn of more CPU than this had too much work in it. */
const LONG_TURN_MS = 6
const FIRST_GUESS = 16
/** With fewer, the cost of the turn itself and of its commit would be most of the work. */
const FEWEST = 2
const MOST = 256

/**
 * How much work may begin in one turn of the event loop, found by measuring the turns: the CPU that a turn took, reading
 * sockets and writing answers included, says whether the next may begin more or must begin less. So the loop comes round
 * every five milliseconds or so under any load, and everything else that lives on it is served (KF-F15).
 *
 * CPU and not time, because a turn that waited for the disk, or for a processor that others had, would not be any faster with
 * less work in it, and the work would only pile up.
 */
export class TurnBudget {
  #perTurn = FIRST_GUESS
  #begun = 0
  #turnStartedCpuMs: number | undefined

  /** How many may begin in a turn, at this time. */
  get perTurn(): number {
    return this.#perTurn
  }

  /** True when something began in this turn. */
  get isUsed(): boolean {
    return this.#begun > 0
  }

  /** Takes a place in this turn; false when it has none left. */
  take(): boolean {
    if (this.#begun >= this.#perTurn) return false
    this.#begun++
    return true
  }

  /** A new turn begins, right after the last one: there was work, so the loop did not sleep in between. */
  next(cpuMs: number): void {
    if (this.#turnStartedCpuMs !== undefined) {
      const tookMs = cpuMs - this.#turnStartedCpuMs
      if (tookMs > LONG_TURN_MS) this.#perTurn = Math.max(FEWEST, Math.floor(this.#perTurn * 0.75))
      else if (tookMs < SHORT_TURN_MS && this.#begun >= this.#perTurn) this.#perTurn = Math.min(MOST, this.#perTurn + 1)
    }
    this.#turnStartedCpuMs = cpuMs
    this.#begun = 0
  }

  /** There is no work: the loop may sleep, and the time until the next turn says nothing. */
  rest(): void {
    this.#turnStartedCpuMs = undefined
    this.#begun = 0
  }
}
