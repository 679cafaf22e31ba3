import type { Identifier } from '../../lib/identifier.ts'
import { identifierKey } from '../../lib/identifier.ts'
import type { AccountRecord } from '../../store/records.ts'
import type { Predecessor } from '../../store/store.ts'
import type { AcmeServices, AuthenticatedRequest, JsonObject } from '../endpoint.ts'
import { AcmeError } from '../problem.ts'
import { parseCertificateId } from './certificate-id.ts'

const MAX_LOGGED = 200

/**
 * Reads `replaces` of a new order (RFC 9773 §5): the certificate of this account that the order renews.
 *
 * A certificate that is not this account's is left out of the order, as if it had not been named: a client that moved
 * here from another CA names the old one at its first renewal, and a refusal would block the move (CQ-L04). It brings
 * no benefit then (KF-B20), and tells nothing of other accounts. That nobody else replaces it is for the store to say.
 *
 * @throws {AcmeError} `malformed` when it is no text, or the certificate has no name in common with the order
 */
export async function readReplaces(
  payload: JsonObject,
  asked: {
    readonly request: Pick<AuthenticatedRequest, 'directory' | 'log'>
    readonly account: AccountRecord
    readonly identifiers: readonly Identifier[]
  },
  { store }: Pick<AcmeServices, 'store'>,
): Promise<Predecessor | undefined> {
  const value = payload['replaces']
  if (value === undefined || value === null) return undefined
  if (typeof value !== 'string') {
    throw new AcmeError('malformed', '"replaces" is not the identifier of a certificate (RFC 9773 §4.1); leave it out')
  }
  const { account, identifiers, request } = asked
  const id = parseCertificateId(value)
  const found = id && (await store.certificates.find(id.issuerId, id.serial))
  if (
    id === undefined ||
    found?.issuedAt === undefined ||
    found.accountId !== account.id ||
    found.directory !== request.directory.name
  ) {
    request.log.info('order.replaces_ignored', { replaces: value.slice(0, MAX_LOGGED) })
    return undefined
  }
  const names = new Set(found.identifiers.map(identifierKey))
  if (!identifiers.some((identifier) => names.has(identifierKey(identifier)))) {
    throw new AcmeError(
      'malformed',
      'The certificate in "replaces" has none of the names of this order, so it cannot be replaced by it; leave it out',
    )
  }
  return { ...id, notAfter: found.notAfter }
}
