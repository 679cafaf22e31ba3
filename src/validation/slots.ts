interface Waiter {
  readonly key: string
  readonly grant: () => void
}

/**
 * Bounds how much goes on at once, over all and per key (KF-F08). Who comes too many waits in the order of arrival;
 * a full key does not hold up the others.
 */
export class Slots {
  readonly #perKey: number
  readonly #total: number
  readonly #held = new Map<string, number>()
  #heldTotal = 0
  readonly #waiters = new Set<Waiter>()

  constructor(limits: { perKey: number; total: number }) {
    this.#perKey = limits.perKey
    this.#total = limits.total
  }

  /** Resolves with the function that gives the slot back (calling it twice is harmless); rejects with the signal's reason. */
  acquire(key: string, signal: AbortSignal): Promise<() => void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason)
      const onAbort = (): void => {
        this.#waiters.delete(waiter)
        reject(signal.reason)
      }
      const waiter: Waiter = {
        key,
        grant: () => {
          this.#waiters.delete(waiter)
          signal.removeEventListener('abort', onAbort)
          this.#take(key)
          let given = false
          resolve(() => {
            if (given) return
            given = true
            this.#giveBack(key)
          })
        },
      }
      if (this.#free(key)) return waiter.grant()
      this.#waiters.add(waiter)
      signal.addEventListener('abort', onAbort, { once: true })
    })
  }

  get held(): number {
    return this.#heldTotal
  }

  #free(key: string): boolean {
    return this.#heldTotal < this.#total && (this.#held.get(key) ?? 0) < this.#perKey
  }

  #take(key: string): void {
    this.#heldTotal++
    this.#held.set(key, (this.#held.get(key) ?? 0) + 1)
  }

  #giveBack(key: string): void {
    this.#heldTotal--
    const left = (this.#held.get(key) ?? 1) - 1
    if (left === 0) this.#held.delete(key)
    else this.#held.set(key, left)
    for (const waiter of this.#waiters) {
      if (this.#heldTotal >= this.#total) return
      if (this.#free(waiter.key)) waiter.grant()
    }
  }
}
