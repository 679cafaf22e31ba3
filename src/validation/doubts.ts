/** So many failures in a row, and the next attempt is not expected to succeed either. */
const FAILURES = 3
/** Accounts and hosts remembered; the longest unseen are forgotten. */
const MEMORY = 20_000

/**
 * Who keeps failing: accounts and hosts whose last attempts all failed. Only the order of work depends on it, and it is
 * forgotten with the process. One success clears it.
 */
export class Doubts {
  readonly #failures = new Map<string, number>()

  has(subject: string): boolean {
    return (this.#failures.get(subject) ?? 0) >= FAILURES
  }

  note(subject: string, outcome: 'proved' | 'failed'): void {
    const failures = this.#failures.get(subject) ?? 0
    this.#failures.delete(subject)
    if (outcome === 'proved') return
    this.#failures.set(subject, Math.min(FAILURES, failures + 1))
    if (this.#failures.size > MEMORY) this.#forgetOldest()
  }

  #forgetOldest(): void {
    for (const subject of this.#failures.keys()) {
      this.#failures.delete(subject)
      return
    }
  }
}
