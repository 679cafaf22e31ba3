import { parseId } from '../../lib/ids.ts'
import { quoteUrl } from '../../lib/quote.ts'
import { refuseEndedAccount } from '../ended-account.ts'
import type { AcmeDirectory, AcmeServices, AuthenticatedRequest, JsonObject } from '../endpoint.ts'
import type { NonceService } from '../nonce.ts'
import { AcmeError } from '../problem.ts'
import { algorithmOf, SUPPORTED_ALGORITHMS } from './algorithms.ts'
import type { FlattenedJws } from './flattened.ts'
import { asObject, parseFlattened, parseJsonBytes } from './flattened.ts'
import type { RequestHeader } from './header-rules.ts'
import { BAD_NONCE, checkRequestHeader } from './header-rules.ts'
import { readJwk } from './jwk.ts'
import type { KeyCache } from './key-cache.ts'
import { verifySignature } from './verify.ts'

/** What a route lets sign: `jwk` for a new key, `kid` for an account, or either (RFC 8555 §6.2). */
export type SignerKind = 'account' | 'key' | 'either'

/** What is known of a directory before a request comes. */
export interface AuthenticationContext {
  readonly directory: AcmeDirectory
  /** Public URLs without a trailing slash: the current one first, then the former ones (CQ-D06). */
  readonly bases: readonly string[]
  /** What account URLs of this directory begin with, one for each base. */
  readonly accountPrefixes: readonly string[]
  readonly services: Pick<AcmeServices, 'store' | 'nonces' | 'clock'>
  readonly keys: KeyCache
}

export type Authenticated = Pick<AuthenticatedRequest, 'payload' | 'signer' | 'url'>

/**
 * Turns a body into a request that is known to come from its signer, to be meant for this URL, and to be new
 * (RFC 8555 §6.2-6.5). The checks are in the order of this function.
 *
 * The nonce is spent as soon as it was seen, so that it is spent whatever else is wrong (§6.5).
 *
 * @param target path and query of the request, undecoded
 * @throws {AcmeError}
 */
export async function authenticate(
  body: Buffer,
  options: { readonly signer: SignerKind; readonly target: string },
  context: AuthenticationContext,
): Promise<Authenticated> {
  if (body.length === 0)
    throw malformed('The request body is empty; send a JWS, for reading too (POST-as-GET, RFC 8555 §6.3)')
  const jws = parseFlattened(parseJsonBytes(body, 'The request body'), 'The request body')
  const nonce = jws.header['nonce']
  const spending = typeof nonce === 'string' ? context.services.nonces.spend(nonce) : undefined
  // Awaited below on every way out; until then a failure of the store has nobody to go to.
  spending?.catch(() => {})
  let header: RequestHeader
  let signer: AuthenticatedRequest['signer']
  try {
    header = checkRequestHeader(jws.header)
    signer = await findSigner(jws, header, options.signer, context)
  } catch (error) {
    await spending?.catch(() => {})
    throw error
  }
  if (spending === undefined) throw malformed('"nonce" is not a string')
  checkNonce(await spending)
  checkUrl(header.url, options.target, context.bases)
  return { signer, url: header.url, payload: readPayload(jws) }
}

/** @throws {AcmeError} 415 unless it is `application/jose+json`, whatever its case and parameters (CQ-T05) */
export function checkContentType(contentType: string | undefined): void {
  const type = contentType?.split(';', 1)[0]?.trim().toLowerCase()
  if (type !== 'application/jose+json') {
    throw new AcmeError('malformed', 'The Content-Type of a POST must be application/jose+json (RFC 8555 §6.2)', {
      status: 415,
    })
  }
}

async function findSigner(
  jws: FlattenedJws,
  header: RequestHeader,
  expected: SignerKind,
  context: AuthenticationContext,
): Promise<AuthenticatedRequest['signer']> {
  switch (header.signer.kind) {
    case 'jwk': {
      if (expected === 'account')
        throw malformed('This resource is for accounts: sign with "kid", the account URL, not with "jwk"')
      const found = readJwk(header.signer.jwk, expected === 'either' ? 'certificate' : 'account')
      if (found.algorithm !== header.alg) throw unfitKey(found.algorithm, header.alg)
      verifySignature(jws, found.algorithm, found.key)
      const { jwk, thumbprint, spkiDer, key } = found
      return { kind: 'key', jwk, thumbprint, spkiDer, key }
    }
    case 'kid': {
      if (expected === 'key') throw malformed('This resource takes a new key: sign with "jwk", not with "kid"')
      const { kid } = header.signer
      const account = await findAccount(kid, context)
      refuseEndedAccount(account, context.services.clock.now())
      const algorithm = algorithmOf(account.jwk)
      if (algorithm !== header.alg) {
        throw new AcmeError(
          'badSignatureAlgorithm',
          `The key of this account signs with ${algorithm}, not with ${header.alg}`,
          {
            algorithms: SUPPORTED_ALGORITHMS,
          },
        )
      }
      verifySignature(jws, algorithm, context.keys.get(account.thumbprint, account.jwk))
      return { kind: 'account', account, kid }
    }
    default:
      return header.signer satisfies never
  }
}

/** `kid` is exactly an account URL as we gave it out, by this directory, now or formerly (KF-B08, CQ-D07). */
async function findAccount(kid: string, { directory, accountPrefixes, services }: AuthenticationContext) {
  const prefix = accountPrefixes.find((candidate) => kid.startsWith(candidate))
  if (prefix === undefined) {
    throw new AcmeError(
      'accountDoesNotExist',
      `"kid" is ${quoteUrl(kid)}, and not an account URL of this directory; those begin with ${accountPrefixes[0]}. Register by newAccount`,
    )
  }
  const id = parseId('account', kid.slice(prefix.length))
  const account = id && (await services.store.accounts.find(directory.name, id))
  if (account === undefined)
    throw new AcmeError('accountDoesNotExist', 'There is no account with this "kid"; register by newAccount')
  return account
}

function checkNonce(spent: Awaited<ReturnType<NonceService['spend']>>): void {
  if (spent.outcome === 'good') return
  if (spent.outcome === 'malformed') throw malformed('"nonce" is not base64url (RFC 8555 §6.5.2)')
  throw new AcmeError('badNonce', `${BAD_NONCE}: ${NONCE_FAULTS[spent.reason]}; try again with the one in Replay-Nonce`)
}

const NONCE_FAULTS = {
  unknown: 'it is not one that this server gave out',
  expired: 'it is too old',
  used: 'it was used before',
  chaos: 'it was refused on purpose, to test clients',
} as const

/** String comparison with the URL as handed out; never with what `Host` says (RFC 8555 §6.4, KF-B05, CQ-D05). */
function checkUrl(url: string, target: string, bases: readonly string[]): void {
  for (const base of bases) {
    if (url.length === base.length + target.length && url.startsWith(base) && url.endsWith(target)) return
  }
  throw new AcmeError(
    'unauthorized',
    `"url" is ${quoteUrl(url)}, but the request was made to ${quoteUrl(`${bases[0]}${target}`)}; URLs of this server begin with ${bases[0]}`,
  )
}

function readPayload(jws: FlattenedJws): '' | JsonObject {
  if (jws.payload.length === 0) return ''
  return asObject(parseJsonBytes(jws.payload, 'The payload'), 'The payload')
}

function unfitKey(keyAlgorithm: string, alg: string): AcmeError {
  return new AcmeError('badPublicKey', `The key signs with ${keyAlgorithm}, and does not fit the algorithm ${alg}`)
}

function malformed(detail: string): AcmeError {
  return new AcmeError('malformed', detail)
}
