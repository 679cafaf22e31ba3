/**
 * The generic cell rate algorithm (ITU-T I.371): constant work, and one stored instant for each key, its theoretical
 * arrival time (TAT), the moment at which everything taken so far is paid off. All instants and lengths are whole
 * microseconds, because a limit may let more than one request through in a millisecond.
 *
 * In any window of length `w`, at most `burst + w / interval` units are taken.
 */
export interface GcraRule {
  /** What one unit costs: the time after which it is there again. At least 1. */
  readonly intervalUs: number
  /** Units that may be taken at once. At least 1. */
  readonly burst: number
}

export type GcraDecision =
  | { readonly allowed: true; readonly tatUs: number }
  /** `waitUs`: after that the same request would pass. `tatUs` differs from a stored one that was not believed. */
  | { readonly allowed: false; readonly waitUs: number; readonly tatUs: number }

/**
 * How far the clocks of two replicas, or one clock before and after a correction, may lie apart. A stored instant that
 * no clock within this bound could have written is not believed.
 */
export const CLOCK_DISAGREEMENT_US = 60_000_000

/**
 * Decides on `cost` units at `nowUs`. A cost above the whole burst counts as the whole burst, so that it can pass at all.
 *
 * A clock that went back must not lock anybody out: a stored instant further ahead than a full debt can lie is taken
 * for a full debt, which is paid off at the usual rate. One that went forward opens no gate: what has passed by counts
 * as an empty debt, never as more.
 *
 * @param storedUs the TAT of this key; absent: nothing was ever taken
 */
export function gcra(rule: GcraRule, storedUs: number | undefined, nowUs: number, cost: number): GcraDecision {
  const base = believable(rule, storedUs, nowUs)
  const next = base + Math.min(cost, rule.burst) * rule.intervalUs
  const reach = reachUs(rule)
  if (next - nowUs <= reach) return { allowed: true, tatUs: next }
  return { allowed: false, waitUs: next - nowUs - reach, tatUs: base }
}

/** How many units could be taken at `nowUs`. */
export function available(rule: GcraRule, storedUs: number | undefined, nowUs: number): number {
  const base = believable(rule, storedUs, nowUs)
  return Math.max(0, Math.floor((nowUs + reachUs(rule) - base) / rule.intervalUs))
}

/** The TAT after `cost` units were taken without asking; the debt is never more than a full one. */
export function spend(rule: GcraRule, storedUs: number | undefined, nowUs: number, cost: number): number {
  return Math.min(believable(rule, storedUs, nowUs) + cost * rule.intervalUs, nowUs + reachUs(rule))
}

/** A full debt, in microseconds. */
export function reachUs(rule: GcraRule): number {
  return rule.burst * rule.intervalUs
}

function believable(rule: GcraRule, storedUs: number | undefined, nowUs: number): number {
  const base = Math.max(storedUs ?? nowUs, nowUs)
  const reach = reachUs(rule)
  return base > nowUs + reach + CLOCK_DISAGREEMENT_US ? nowUs + reach : base
}
