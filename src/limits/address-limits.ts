import { hash } from 'node:crypto'
import type { Clock } from '../lib/clock.ts'
import type { ClientAddress } from './client-address.ts'
import { type Rate, widen } from './rate.ts'
import { GcraSketch } from './sketch.ts'

/** One limit by network address: IPv4 alone, IPv6 by /64, and a whole /48 for `factor` times as much (KF-F06). */
export class AddressLimits {
  readonly #own: GcraSketch
  readonly #network: GcraSketch
  readonly #keys: KeyDigests
  readonly #clock: Clock

  constructor(rate: Rate, options: { readonly factor: number; readonly keys: KeyDigests; readonly clock: Clock }) {
    this.#own = new GcraSketch(rate)
    this.#network = new GcraSketch(widen(rate, options.factor))
    this.#keys = options.keys
    this.#clock = options.clock
  }

  /** Takes one unit. @returns 0 when there was one, else the microseconds to wait */
  take(from: ClientAddress): number {
    return this.#each(from, (sketch, digest, nowUs) => sketch.take(digest, nowUs))
  }

  /** Whether a unit is left. @returns 0, or the microseconds to wait */
  peek(from: ClientAddress): number {
    return this.#each(from, (sketch, digest, nowUs) => sketch.peek(digest, nowUs))
  }

  #each(from: ClientAddress, act: (sketch: GcraSketch, digest: Uint8Array, nowUs: number) => number): number {
    const nowUs = Math.floor(this.#clock.monotonicMs() * 1000)
    const own = act(this.#own, this.#keys.of(from.key), nowUs)
    if (own > 0 || from.network === undefined) return own
    return act(this.#network, this.#keys.of(from.network), nowUs)
  }
}

/** The most recent of these many keys are not hashed again. */
const REMEMBERED = 1024

/** Digests of keys under a secret of this process, so that nobody can choose which cells of a sketch are theirs. */
export class KeyDigests {
  readonly #secret: string
  readonly #known = new Map<string, Uint8Array>()

  constructor(secret: Buffer) {
    this.#secret = secret.toString('base64')
  }

  of(key: string): Uint8Array {
    const known = this.#known.get(key)
    if (known !== undefined) return known
    const made = hash('sha256', `${this.#secret}${key}`, 'buffer')
    if (this.#known.size >= REMEMBERED) this.#known.clear()
    this.#known.set(key, made)
    return made
  }
}
