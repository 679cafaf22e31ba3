import type { Issuer } from '../issuance/issuer.ts'
import type { Store } from '../store/store.ts'

/** One issuing CA without which certificates of the store can be neither delivered nor shown as revoked. */
export interface MissingIssuer {
  readonly issuerId: string
  readonly advice: string
}

/**
 * The issuing CAs of certificates that are still good, but whose files are not in the state folder: lost, moved away
 * too early, or of another state folder than the database.
 */
export async function findMissingIssuers(
  store: Pick<Store, 'certificates'>,
  known: Iterable<Pick<Issuer, 'id'>>,
  now: Date,
): Promise<MissingIssuer[]> {
  const ids = new Set([...known].map(({ id }) => id))
  const used = await store.certificates.listIssuers(now)
  return used
    .filter((issuerId) => !ids.has(issuerId))
    .map((issuerId) => ({
      issuerId,
      advice:
        `the issuing CA with the key id ${issuerId} has issued certificates that are still good, and is not in the state folder: ` +
        'its CRL is not made any more, and they cannot be delivered. Put its certificate and key back',
    }))
}

/**
 * Those of `renewalInfo.replacedIssuers` that name nothing: no issuing CA of the state folder, and none whose certificates
 * are still good. With one digit wrong nobody would be told to renew, in the hour in which it matters.
 */
export async function findUnknownReplaced(
  store: Pick<Store, 'certificates'>,
  issuers: Iterable<Pick<Issuer, 'id'>>,
  { replaced, now }: { readonly replaced: readonly string[]; readonly now: Date },
): Promise<MissingIssuer[]> {
  if (replaced.length === 0) return []
  const known = new Set([...[...issuers].map(({ id }) => id), ...(await store.certificates.listIssuers(now))])
  return replaced
    .filter((issuerId) => !known.has(issuerId))
    .map((issuerId) => ({
      issuerId,
      advice:
        `renewalInfo.replacedIssuers: no issuing CA here has the key id ${issuerId}, so nobody renews because of it; there ` +
        `are ${[...known].join(', ')}. Correct it, or take it out`,
    }))
}
