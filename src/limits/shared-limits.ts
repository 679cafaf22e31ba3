import type { Clock } from '../lib/clock.ts'
import type { GcraRule } from '../lib/gcra.ts'
import type { Logger } from '../observe/log.ts'
import type { LimitStore } from '../store/limit-store.ts'

/** What is asked of one key of a limit that all replicas share. */
export interface Charge {
  /** `<limit>:<subject>`. */
  readonly key: string
  readonly rule: GcraRule
  /** Units to take; 0 asks only that one is left. */
  readonly units: number
}

export type ChargeOutcome =
  | { readonly ok: true }
  | { readonly ok: false; readonly key: string; readonly waitMs: number }

/** Units that this process took from the store and has not used yet. Below zero: used, and not taken yet. */
interface Slice {
  units: number
  /** When the bucket in the store has grown them again, so that they are no longer good, by the monotonic clock. */
  endsMs: number
}

/** This part of a burst is taken from the store at a time. */
const SLICE = 0.01
/** Keys remembered; the oldest is forgotten, with the units it had left. */
const REMEMBERED = 10_000
/** For so long a refusal is repeated from memory, so that who knocks on and on costs the store nothing. */
const REFUSAL_MS = 5_000

/**
 * Shared limits at the price of memory: a process takes a hundredth of a burst from the store at a time, and spends it
 * here. Every unit that is let through was taken from the store before, so that replicas together never let more
 * through than the store gave out; what one of them holds unused is no good to the others for a while. A limit with a
 * burst below 200 is asked in the store for every unit.
 */
export class SharedLimits {
  readonly #store: LimitStore
  readonly #clock: Clock
  readonly #log: Logger
  readonly #slices = new Map<string, Slice>()
  readonly #refusals = new Map<string, { units: number; retryAtMs: number; forgetAtMs: number }>()
  /** Calls to the store under way, by key, so that a crowd makes one of them. */
  readonly #filling = new Map<string, Promise<void>>()
  readonly #settling = new Set<Promise<void>>()

  constructor(options: { readonly store: LimitStore; readonly clock: Clock; readonly log: Logger }) {
    this.#store = options.store
    this.#clock = options.clock
    this.#log = options.log
  }

  /**
   * Takes the units of every charge, or of none.
   *
   * @throws {StoreError} when the store had to be asked, and could not be
   */
  async take(charges: readonly Charge[]): Promise<ChargeOutcome> {
    for (;;) {
      const nowMs = this.#clock.monotonicMs()
      const refused = this.#remembered(charges, nowMs)
      if (refused !== undefined) return refused
      const lacking = charges.filter((charge) => this.#left(charge, nowMs) < needed(charge))
      if (lacking.length === 0) {
        for (const charge of charges) this.#slice(charge.key).units -= taken(charge)
        return { ok: true }
      }
      const busy = lacking.map(({ key }) => this.#filling.get(key)).find((filling) => filling !== undefined)
      if (busy !== undefined) {
        // What it brings may do for us too; if it fails, we ask ourselves.
        await busy.catch(() => undefined)
        continue
      }
      const filling = this.#fill(lacking)
      for (const { key } of lacking) this.#filling.set(key, filling)
      try {
        await filling
      } finally {
        for (const { key } of lacking) this.#filling.delete(key)
      }
    }
  }

  /** Gives back what `take` took, because nothing came of it. */
  giveBack(charges: readonly Charge[]): void {
    for (const charge of charges) {
      const slice = this.#slices.get(charge.key)
      if (slice !== undefined) slice.units += taken(charge)
    }
  }

  /** Counts what has happened already, whether or not units were left. */
  spend(charges: readonly Charge[]): void {
    const nowMs = this.#clock.monotonicMs()
    const owed = charges.filter((charge) => {
      const left = this.#left(charge, nowMs) - charge.units
      this.#slice(charge.key).units = left
      return left < 0
    })
    if (owed.length === 0) return
    const settling = this.#settle(owed).finally(() => this.#settling.delete(settling))
    this.#settling.add(settling)
  }

  /** Resolves when the store knows of everything spent. Never rejects. */
  async settled(): Promise<void> {
    while (this.#settling.size > 0) await Promise.all(this.#settling)
  }

  /** Keys in memory. */
  get remembered(): number {
    return this.#slices.size
  }

  async #fill(lacking: readonly Charge[]): Promise<void> {
    const requests = lacking.map((charge) => {
      const least = Math.min(needed(charge) - this.#held(charge.key), charge.rule.burst)
      return { key: charge.key, rule: charge.rule, least, most: Math.max(least, sliceOf(charge.rule)) }
    })
    const outcome = await this.#store.take(requests, this.#clock.now())
    const nowMs = this.#clock.monotonicMs()
    if (outcome.outcome === 'refused') {
      const waitMs = outcome.waitUs / 1000
      bound(this.#refusals)
      const refused = lacking.find(({ key }) => key === outcome.key)
      this.#refusals.set(outcome.key, {
        units: refused === undefined ? 1 : needed(refused),
        retryAtMs: nowMs + waitMs,
        forgetAtMs: nowMs + Math.min(waitMs, REFUSAL_MS),
      })
      return
    }
    for (const [index, { key, rule }] of requests.entries()) {
      const slice = this.#slice(key)
      slice.units += outcome.units[index] ?? 0
      slice.endsMs = nowMs + (sliceOf(rule) * rule.intervalUs) / 1000
    }
  }

  async #settle(owed: readonly Charge[]): Promise<void> {
    const spent = owed.map(({ key, rule }) => ({ key, rule, units: -this.#held(key) }))
    // From here on the store knows; whoever spends meanwhile makes a debt of their own.
    for (const { key, units } of spent) this.#slice(key).units += units
    try {
      await this.#store.spend(spent, this.#clock.now())
    } catch (error) {
      // The limit lets a little more through than it should, which is better than to fail what is done already.
      this.#log.warn('limits.not_counted', { keys: spent.map(({ key }) => key).slice(0, 10), error })
    }
  }

  #remembered(charges: readonly Charge[], nowMs: number): ChargeOutcome | undefined {
    if (this.#refusals.size === 0) return undefined
    for (const charge of charges) {
      const refusal = this.#refusals.get(charge.key)
      if (refusal === undefined) continue
      if (refusal.forgetAtMs <= nowMs) this.#refusals.delete(charge.key)
      // Who asks for less may be lucky.
      else if (needed(charge) >= refusal.units) return { ok: false, key: charge.key, waitMs: refusal.retryAtMs - nowMs }
    }
    return undefined
  }

  #left(charge: Charge, nowMs: number): number {
    const slice = this.#slices.get(charge.key)
    if (slice === undefined) return 0
    if (slice.units > 0 && slice.endsMs <= nowMs) slice.units = 0
    return slice.units
  }

  #held(key: string): number {
    return this.#slices.get(key)?.units ?? 0
  }

  /** The slice of a key, made when there is none. */
  #slice(key: string): Slice {
    const known = this.#slices.get(key)
    if (known !== undefined) return known
    bound(this.#slices)
    const made = { units: 0, endsMs: 0 }
    this.#slices.set(key, made)
    return made
  }
}

/** More than a whole burst could never be had, and counts as one. */
function taken({ units, rule }: Charge): number {
  return Math.min(units, rule.burst)
}

function needed(charge: Charge): number {
  return Math.max(1, taken(charge))
}

function sliceOf({ burst }: GcraRule): number {
  return Math.max(1, Math.floor(burst * SLICE))
}

function bound(map: Map<string, unknown>): void {
  if (map.size < REMEMBERED) return
  const oldest = map.keys().next()
  if (!oldest.done) map.delete(oldest.value)
}
