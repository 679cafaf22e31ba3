import type { Random } from '../lib/random.ts'

/** No client is sent away for longer, in seconds. */
const LONGEST_SECONDS = 300
/** However slow we seem, no slower: new work per second. */
const SLOWEST_RATE = 2
/** The rate is measured over about this long. */
const WINDOW_MS = 1_000
/** Of one window in the rate: past capacity new work is taken in bursts, between those of finishing. */
const WEIGHT = 1 / 4
/** Appointments for each piece of new work that we take: a client refused twice costs little, an idle server costs more. */
const OVERBOOKED = 2
/** Before anything was measured: new work per second of a slow machine. */
const FIRST_RATE = 50

/**
 * Tells those who are sent away when to come back (KF-F07): each gets an appointment behind the last one given, about as
 * far apart as we are taking new work, so that a crowd of thousands returns as a stream that can be served, and not as a
 * crowd (CQ-L07). Appointments that were not kept pass by themselves. One number is all that is kept.
 */
export class ReturningCrowd {
  #lastAppointmentMs = Number.NEGATIVE_INFINITY
  #rate = FIRST_RATE
  #windowStartMs = 0
  #takenInWindow = 0
  #refusedInWindow = 0

  /** New work per second, as measured of late. */
  get rate(): number {
    return this.#rate
  }

  /** New work was taken. */
  taken(nowMs: number): void {
    this.#measure(nowMs)
    this.#takenInWindow++
  }

  /** Seconds until the requester should come back, at least 1 and growing with the crowd; to be spread a little. */
  appointment(nowMs: number): number {
    this.#measure(nowMs)
    this.#refusedInWindow++
    const apartMs = 1000 / (Math.max(SLOWEST_RATE, this.#rate) * OVERBOOKED)
    const dueMs = Math.max(this.#lastAppointmentMs + apartMs, nowMs + 1000)
    this.#lastAppointmentMs = Math.min(dueMs, nowMs + LONGEST_SECONDS * 1000)
    return Math.max(1, ((this.#lastAppointmentMs - nowMs) / 1000) * 0.8)
  }

  #measure(nowMs: number): void {
    const elapsedMs = nowMs - this.#windowStartMs
    if (elapsedMs < WINDOW_MS) return
    // After a silence there is nothing to measure, and while nobody was refused we may be able to do more than was asked.
    const measured = (this.#takenInWindow * 1000) / elapsedMs
    if (elapsedMs < 2 * WINDOW_MS && (measured > this.#rate || this.#refusedInWindow > 0))
      this.#rate += (measured - this.#rate) * WEIGHT
    this.#windowStartMs = nowMs
    this.#takenInWindow = 0
    this.#refusedInWindow = 0
  }
}

/** Whole seconds between `seconds` and half as many again, evenly: those who were told together do not return together. */
export function spread(seconds: number, random: Random): number {
  const share = random.bytes(4).readUInt32BE() / 0x1_0000_0000
  return Math.max(1, Math.round(seconds * (1 + share / 2)))
}
