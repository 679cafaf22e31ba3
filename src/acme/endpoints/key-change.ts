import type { AccountRecord } from '../../store/records.ts'
import { checkNewAccountKey, spkiSha256 } from '../account-key.ts'
import type { AcmeServices, AuthenticatedRequest, Endpoint } from '../endpoint.ts'
import { asObject, parseFlattened, parseJsonBytes } from '../jws/flattened.ts'
import { readAlgorithm, readUrl, refuseOtherMembers } from '../jws/header-rules.ts'
import type { PublicJwk } from '../jws/jwk.ts'
import { readJwk } from '../jws/jwk.ts'
import { verifySignature } from '../jws/verify.ts'
import { requireObject } from '../payload.ts'
import { AcmeError } from '../problem.ts'
import { admitted } from '../rate-limited.ts'
import { renderAccount } from '../render/account.ts'

const WHAT = 'The inner JWS'

/**
 * Replaces the key of an account (RFC 8555 §7.3.5). The outer JWS, by the old key, was verified before; the inner one,
 * by the new key, names the account and the old key (KF-B11). The account's URL, orders and authorizations stay.
 */
export const keyChange: Endpoint = async (request, services) => {
  if (request.signer.kind !== 'account') throw new Error('keyChange was routed without an account')
  const { account, kid } = request.signer
  const newKey = readInner(request, kid, account)
  if (newKey.thumbprint === account.thumbprint) throw keyTaken(request.directory.urls.account(account.id))
  await checkNewAccountKey(newKey, services.store)
  admitted(await services.limits.keyChange(account), services.limits)
  return replaceKey(account, newKey, request, services)
}

/** The checks of RFC 8555 §7.3.5, in their order. */
function readInner(request: AuthenticatedRequest, kid: string, account: AccountRecord): PublicJwk {
  const jws = parseFlattened(requireObject(request.payload, 'keyChange'), WHAT)
  if ('nonce' in jws.header) throw malformed(`${WHAT} has a "nonce"; leave it out (RFC 8555 §7.3.5)`)
  if ('kid' in jws.header) throw malformed(`${WHAT} has a "kid"; it needs "jwk", the new key`)
  refuseOtherMembers(jws.header, ['alg', 'jwk', 'url'], WHAT)
  const alg = readAlgorithm(jws.header)
  const newKey = readJwk(jws.header['jwk'])
  if (newKey.algorithm !== alg) {
    throw new AcmeError(
      'badPublicKey',
      `The new key signs with ${newKey.algorithm}, and does not fit the algorithm ${alg}`,
    )
  }
  verifySignature(jws, newKey.algorithm, newKey.key)
  const payload = asObject(parseJsonBytes(jws.payload, `The payload of the inner JWS`), `The payload of the inner JWS`)
  if (typeof payload['account'] !== 'string')
    throw malformed('The payload of the inner JWS has no "account", the account URL')
  if (payload['oldKey'] === undefined)
    throw malformed('The payload of the inner JWS has no "oldKey", the current key as a JWK')
  if (readUrl(jws.header) !== request.url) throw malformed(`${WHAT} has another "url" than the outer one`)
  if (payload['account'] !== kid) throw malformed('"account" in the inner JWS is not the "kid" of the outer one')
  if (readOldKey(payload['oldKey']).thumbprint !== account.thumbprint) {
    throw malformed('"oldKey" in the inner JWS is not the current key of the account')
  }
  return newKey
}

function readOldKey(value: Parameters<typeof readJwk>[0]): PublicJwk {
  try {
    return readJwk(value)
  } catch (error) {
    if (!(error instanceof AcmeError)) throw error
    throw malformed(`"oldKey" in the inner JWS cannot be read: ${error.message}`)
  }
}

async function replaceKey(
  account: AccountRecord,
  newKey: PublicJwk,
  request: AuthenticatedRequest,
  services: AcmeServices,
) {
  const { directory, requestId } = request
  const result = await services.store.accounts.changeKey(account.directory, account.id, {
    oldThumbprint: account.thumbprint,
    jwk: newKey.jwk,
    thumbprint: newKey.thumbprint,
    spkiSha256: spkiSha256(newKey.spkiDer),
    audit: {
      at: services.clock.now(),
      event: 'account.key-changed',
      requestId,
      directory: account.directory,
      accountId: account.id,
      data: { oldThumbprint: account.thumbprint, newThumbprint: newKey.thumbprint },
    },
  })
  switch (result.outcome) {
    case 'changed':
      return { status: 200, body: renderAccount(result.account, directory.urls) } as const
    case 'conflict':
      throw keyTaken(directory.urls.account(result.accountId))
    case 'stale':
      throw new AcmeError(
        'unauthorized',
        'The key of the account was changed, or the account was closed, while this request was on its way',
      )
    default:
      return result satisfies never
  }
}

/** 409 for this alone: clients take it for "that account exists" (CQ-A08). */
function keyTaken(accountUrl: string): AcmeError {
  return new AcmeError('malformed', 'The new key already belongs to an account, which Location names', {
    status: 409,
    location: accountUrl,
  })
}

function malformed(detail: string): AcmeError {
  return new AcmeError('malformed', detail)
}
