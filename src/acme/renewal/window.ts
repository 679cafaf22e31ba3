import { createHash } from 'node:crypto'
import type { CertificateRecord, ProfileSnapshot } from '../../store/records.ts'

/** When a client should renew (RFC 9773 §4.2): it picks a moment in between, and renews at once when that is past. */
export interface RenewalWindow {
  readonly start: Date
  readonly end: Date
}

/** Where the window lies, as shares of the lifetime. Kept with the profile, as the rest of it is. */
export type RenewalShares = NonNullable<ProfileSnapshot['renewal']>

/** A day's certificate has less time to spare than a month's: renew it at half of its life, the other at two thirds. */
const LONG_LIVED_SECONDS = 10 * 86_400
const DEFAULT_AFTER = { long: 2 / 3, short: 1 / 2 } as const
const DEFAULT_WITHIN = 0.15
/** However short we are, no client is asked to wait beyond this share of the life that it still has to act in. */
const LATEST = 0.9

export interface RenewalFacts {
  readonly now: Date
  /** The issuing CA is being replaced, and everything it signed with it. */
  readonly isIssuerReplaced: boolean
  /** How far the server is from keeping up: 0 when it does, 1 when new orders are being refused. */
  readonly shortage: number
}

/**
 * The window of an issued certificate: the same at every question, as long as nothing happened to the certificate, its
 * issuer or the server. For a revoked certificate, or one of an issuer that is being replaced, it lies in the past.
 *
 * While the server is short of capacity, windows are longer, and begin later for those that would renew by now.
 */
export function renewalWindow(certificate: CertificateRecord, facts: RenewalFacts): RenewalWindow {
  const { now, isIssuerReplaced, shortage } = facts
  const startMs = certificate.notBefore.getTime()
  const lifeMs = certificate.notAfter.getTime() + 1000 - startMs
  const atShare = (share: number): number => startMs + lifeMs * share
  if (certificate.revokedAt !== undefined) return past(certificate.revokedAt.getTime())
  if (isIssuerReplaced) return past(Math.min(now.getTime(), certificate.notAfter.getTime()))

  const after = renewalStartShare(certificate.profile.renewal, lifeMs / 1000)
  const within = certificate.profile.renewal?.within ?? DEFAULT_WITHIN
  const latest = Math.max(LATEST, after + 2 * within)
  // Made in one burst, certificates begin their windows up to a window apart: the burst does not come back, not even
  // from clients that renew as soon as they may (KF-E17).
  let start = after + within * shareOf(certificate.serial)
  let end = start + within
  end += (latest - end) * shortage
  const nowShare = (now.getTime() - startMs) / lifeMs
  if (shortage > 0 && start < nowShare && nowShare < end) start = nowShare + (end - nowShare) * shortage * 0.5
  return ordered(atShare(start), atShare(end))
}

/** The share of its life from which on a certificate may be renewed, at the earliest. */
export function renewalStartShare(shares: Pick<RenewalShares, 'after'> | undefined, lifeSeconds: number): number {
  return shares?.after ?? DEFAULT_AFTER[lifeSeconds >= LONG_LIVED_SECONDS ? 'long' : 'short']
}

/** A client that reads of an end in the past renews at once (RFC 9773 §4.2). */
function past(end: number): RenewalWindow {
  return ordered(end - 3_600_000, end)
}

/** In whole seconds, as it is shown, and never empty (RFC 9773 §4.2). */
function ordered(startMs: number, endMs: number): RenewalWindow {
  const start = Math.floor(startMs / 1000)
  const end = Math.max(Math.floor(endMs / 1000), start + 1)
  return { start: new Date(start * 1000), end: new Date(end * 1000) }
}

/** A number from 0 to 1 that is always the same for this serial. */
function shareOf(serial: string): number {
  return createHash('sha256').update(serial).digest().readUInt32BE(0) / 2 ** 32
}
