import type { GcraRule } from '../lib/gcra.ts'

/** A limit as the operator wrote it. */
export interface Rate extends GcraRule {
  /** `COUNT/PERIOD burst COUNT`, for people. */
  readonly text: string
}

export const RATE_FORM = /^(\d{1,9})\/(\d{1,9})([smhd])(?: burst (\d{1,9}))?$/

const UNIT_SECONDS = { s: 1, m: 60, h: 3600, d: 86_400 } as const
/** Ten years, so that instants stay exact numbers. */
const LONGEST_DEBT_US = 3650 * 86_400 * 1e6

/**
 * Reads `COUNT/PERIOD`, such as `1000/1h`, with an optional ` burst COUNT`; without it the burst is the count.
 *
 * @returns undefined for `off`, and a sentence when it makes no sense
 */
export function parseRate(text: string): Rate | undefined | string {
  if (text === 'off') return undefined
  const match = RATE_FORM.exec(text)
  if (match === null) return 'must be COUNT/PERIOD such as 1000/1h, COUNT/PERIOD burst COUNT, or off'
  const count = Number(match[1])
  const seconds = Number(match[2]) * UNIT_SECONDS[match[3] as keyof typeof UNIT_SECONDS]
  const burst = match[4] === undefined ? count : Number(match[4])
  if (count === 0 || seconds === 0 || burst === 0)
    return 'count, period and burst must be at least 1; `off` switches it off'
  const intervalUs = Math.ceil((seconds * 1e6) / count)
  if (burst * intervalUs > LONGEST_DEBT_US) return 'a used-up burst would take more than ten years to come back'
  return { intervalUs, burst, text: `${match[1]}/${match[2]}${match[3]} burst ${burst}` }
}

/** The same limit for a crowd: `factor` times the rate and the burst. */
export function widen(rate: Rate, factor: number): Rate {
  return {
    intervalUs: Math.max(1, Math.ceil(rate.intervalUs / factor)),
    burst: rate.burst * factor,
    text: `${rate.text}, times ${factor}`,
  }
}
