import type { RevocationReason } from '../store/records.ts'
import type { JsonValue } from './endpoint.ts'
import { AcmeError } from './problem.ts'

/**
 * What a subscriber may say (RFC 5280 §5.3.1). Not among them: 2 and 10 speak of CAs and attribute authorities, 6
 * would be a hold, 7 is unused, 8 only ever leaves a hold, and 9 is the CA's own to say (KF-D07).
 */
const SUBSCRIBER_REASONS = {
  0: 'unspecified',
  1: 'keyCompromise',
  3: 'affiliationChanged',
  4: 'superseded',
  5: 'cessationOfOperation',
} as const satisfies Partial<Record<RevocationReason, string>>

type SubscriberReason = keyof typeof SUBSCRIBER_REASONS

/**
 * Reads `reason` of a revokeCert payload (RFC 8555 §7.6). Absent, `null` and 0 all mean "unspecified" (CQ-R01).
 *
 * @throws {AcmeError} `malformed` for what is no integer, `badRevocationReason` for a code that is not allowed
 */
export function readRevocationReason(value: JsonValue | undefined): SubscriberReason {
  if (value === undefined || value === null) return 0
  if (typeof value !== 'number' || !Number.isInteger(value)) {
    throw new AcmeError('malformed', '"reason" must be an integer, a CRLReason code of RFC 5280 §5.3.1')
  }
  const reason = ([0, 1, 3, 4, 5] as const).find((allowed) => allowed === value)
  if (reason === undefined) throw notAllowed(`Reason ${value} is not allowed here`, SUBSCRIBER_REASONS)
  return reason
}

/** For who only controls the names today: that says nothing about a key that somebody else holds. */
export function refuseKeyCompromise(): AcmeError {
  const { 1: _, ...rest } = SUBSCRIBER_REASONS
  return notAllowed(
    'Reason 1 (keyCompromise) may be given by the account that was issued the certificate, or with a request signed by its key',
    rest,
  )
}

function notAllowed(why: string, allowed: Readonly<Record<number, string>>): AcmeError {
  const codes = Object.entries(allowed).map(([code, name]) => `${code} (${name})`)
  return new AcmeError('badRevocationReason', `${why}; allowed are ${codes.join(', ')}`)
}
