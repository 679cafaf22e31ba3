/** The arithmetic of CRL times, all in one place (KF-D04). */

/** How far thisUpdate lies before the moment of signing; as much as certificates are backdated, see `crlTimes`. */
const BACKDATE_SECONDS = 300

/**
 * thisUpdate and nextUpdate of a list made now: whole seconds, `lifetimeSeconds` apart. thisUpdate lies five minutes
 * back, because every revocation makes a new list, and a client whose clock is behind refuses one that begins in its
 * future, and every certificate with it (CQ-C06). Of a short life at most a tenth is given away so. Retention goes by
 * thisUpdate, so entries only stay the longer for it.
 */
export function crlTimes(now: Date, lifetimeSeconds: number): { thisUpdate: Date; nextUpdate: Date } {
  const backdate = Math.min(BACKDATE_SECONDS, Math.floor(lifetimeSeconds / 10))
  const start = (Math.floor(now.getTime() / 1000) - backdate) * 1000
  return { thisUpdate: new Date(start), nextUpdate: new Date(start + lifetimeSeconds * 1000) }
}

/**
 * Whether a list must be replaced although nothing new was revoked: at half of its life (KF-D11), and when it lies
 * ahead of the clock, because clients would not accept it yet.
 */
export function isDueForRenewal(crl: { readonly thisUpdate: Date; readonly nextUpdate: Date }, now: Date): boolean {
  const half = (crl.thisUpdate.getTime() + crl.nextUpdate.getTime()) / 2
  return now.getTime() >= half || now < crl.thisUpdate
}

/**
 * The number of the next list: greater than the last one known, and at least the time in milliseconds. The time makes
 * numbers go on rising when the store was restored from an older backup (KF-D05, KF-E08).
 */
export function nextCrlNumber(last: bigint | undefined, now: Date): bigint {
  const byTime = BigInt(now.getTime())
  return last !== undefined && last >= byTime ? last + 1n : byTime
}
