import type { ProfileSnapshot } from '../store/records.ts'
import { MAX_BACKDATE_SECONDS } from './profile.ts'

/** Both ends are whole seconds and inclusive (RFC 5280 §4.1.2.5). */
export interface ValidityWindow {
  readonly notBefore: Date
  readonly notAfter: Date
}

export type ValidityPlan = ({ readonly ok: true } & ValidityWindow) | { readonly ok: false; readonly detail: string }

/** Seconds covered by a window, both ends counted: a day is from 00:00:00 to 23:59:59 (KF-C03). */
export function lifetimeSecondsOf(window: ValidityWindow): number {
  return (window.notAfter.getTime() - window.notBefore.getTime()) / 1000 + 1
}

/** Within what a leaf must lie: the intersection of the validities of a chain. */
export function commonWindow(chain: readonly ValidityWindow[]): ValidityWindow {
  const starts = chain.map((certificate) => certificate.notBefore.getTime())
  const ends = chain.map((certificate) => certificate.notAfter.getTime())
  return { notBefore: new Date(Math.max(...starts)), notAfter: new Date(Math.min(...ends)) }
}

/**
 * Picks the validity of a new certificate.
 *
 * What the order did not ask for is ours to choose: notBefore lies `backdateSeconds` before now, notAfter one second
 * short of the profile's lifetime after notBefore (KF-C03), and both are moved to stay inside the chain (KF-C04,
 * CQ-C04). A date the order did ask for is met to the second or refused.
 *
 * @param now instant of signing; parts of a second are dropped, here and in the asked dates
 * @param chain the intersection of the validities of all certificates above
 */
export function planValidity(input: {
  readonly profile: Pick<ProfileSnapshot, 'lifetimeSeconds' | 'maxLifetimeSeconds' | 'backdateSeconds'>
  readonly now: Date
  readonly chain: ValidityWindow
  readonly notBefore?: Date | undefined
  readonly notAfter?: Date | undefined
}): ValidityPlan {
  const { profile } = input
  const now = toSeconds(input.now)
  const chainStart = toSeconds(input.chain.notBefore)
  const chainEnd = toSeconds(input.chain.notAfter)
  const askedStart = input.notBefore === undefined ? undefined : toSeconds(input.notBefore)
  const askedEnd = input.notAfter === undefined ? undefined : toSeconds(input.notAfter)

  let start: number
  if (askedStart !== undefined) start = askedStart
  else if (askedEnd === undefined) start = Math.max(now - profile.backdateSeconds, chainStart)
  else {
    // The backdating gives way before a longer life than allowed does. An end asked as "now plus the maximum" can come
    // out one second ahead of now, because both ends count.
    start = Math.max(
      now - profile.backdateSeconds,
      chainStart,
      Math.min(askedEnd - profile.maxLifetimeSeconds + 1, now + 1),
    )
  }
  const end = askedEnd ?? Math.min(start + profile.lifetimeSeconds - 1, chainEnd)

  if (start < chainStart) return refuse('notBefore', start, `before the issuing CA's own start, ${iso(chainStart)}`)
  if (start < now - MAX_BACKDATE_SECONDS)
    return refuse('notBefore', start, `more than ${MAX_BACKDATE_SECONDS} s in the past; ask for a later one`)
  if (start > chainEnd) return refuse('notBefore', start, `after the end of the issuing CA's chain, ${iso(chainEnd)}`)
  if (end > chainEnd)
    return refuse(
      'notAfter',
      end,
      `after the end of the issuing CA's chain, ${iso(chainEnd)}; ask for an earlier one or none`,
    )
  if (end < start) return refuse('notAfter', end, `before notBefore, ${iso(start)}`)
  if (end <= now) return refuse('notAfter', end, `not in the future; it is ${iso(now)}`)
  const length = end - start + 1
  if (length > profile.maxLifetimeSeconds) {
    return refuse(
      'notAfter',
      end,
      `too late: from ${iso(start)} that is ${length} s, the profile allows ${profile.maxLifetimeSeconds} s (both ends counted)`,
    )
  }
  return { ok: true, notBefore: new Date(start * 1000), notAfter: new Date(end * 1000) }
}

function toSeconds(at: Date): number {
  return Math.floor(at.getTime() / 1000)
}

function refuse(field: 'notBefore' | 'notAfter', seconds: number, reason: string): ValidityPlan {
  return { ok: false, detail: `${field} ${iso(seconds)} is ${reason}` }
}

function iso(seconds: number): string {
  return new Date(seconds * 1000).toISOString().replace('.000Z', 'Z')
}
