import { quote } from '../../lib/quote.ts'
import type { JsonObject } from '../endpoint.ts'
import { AcmeError } from '../problem.ts'
import type { JwsAlgorithmName } from './algorithms.ts'
import { isSupportedAlgorithm, SUPPORTED_ALGORITHMS } from './algorithms.ts'

/** The protected header of an ACME request after its rules (RFC 8555 §6.2). */
export interface RequestHeader {
  readonly alg: JwsAlgorithmName
  readonly nonce: string
  readonly url: string
  /** Exactly one of the two. */
  readonly signer:
    | { readonly kind: 'kid'; readonly kid: string }
    | { readonly kind: 'jwk'; readonly jwk: JsonObject[string] }
}

/** Registered members that say nothing about the signature (RFC 7515 §4.1.9, §4.1.10). */
const HARMLESS = ['typ', 'cty']

/**
 * Checks the protected header of a request, in the order in which a client can best mend it.
 *
 * @throws {AcmeError} `malformed`, `badSignatureAlgorithm`, or `badNonce` when there is no nonce
 */
export function checkRequestHeader(header: JsonObject): RequestHeader {
  refuseOtherMembers(header, ['alg', 'nonce', 'url', 'jwk', 'kid'], 'The protected header')
  const alg = readAlgorithm(header)
  const hasJwk = 'jwk' in header
  const kid = header['kid']
  if (hasJwk && 'kid' in header) throw malformed('The protected header has both "jwk" and "kid"; send exactly one')
  if (!hasJwk && !('kid' in header)) throw malformed('The protected header has neither "jwk" nor "kid"')
  if (!hasJwk && typeof kid !== 'string') throw malformed('"kid" is not a string; it is the account URL')
  if (!('nonce' in header)) throw new AcmeError('badNonce', `${BAD_NONCE}: the protected header has no "nonce"`)
  if (typeof header['nonce'] !== 'string') throw malformed('"nonce" is not a string')
  return {
    alg,
    nonce: header['nonce'],
    url: readUrl(header),
    signer: typeof kid === 'string' ? { kind: 'kid', kid } : { kind: 'jwk', jwk: header['jwk'] ?? null },
  }
}

/** Clients look for these very words before they try again (CQ-N01). */
export const BAD_NONCE = 'JWS has an invalid anti-replay nonce'

/** @throws {AcmeError} `badSignatureAlgorithm` with those that are supported (RFC 8555 §6.2, KF-B01) */
export function readAlgorithm(header: JsonObject): JwsAlgorithmName {
  const alg = header['alg']
  if (typeof alg !== 'string') throw malformed('The protected header has no "alg"')
  if (isSupportedAlgorithm(alg)) return alg
  throw new AcmeError(
    'badSignatureAlgorithm',
    `The signature algorithm ${quote(alg)} is not supported; use one of ${SUPPORTED_ALGORITHMS.join(', ')}`,
    { algorithms: SUPPORTED_ALGORITHMS },
  )
}

/** @throws {AcmeError} `malformed` */
export function readUrl(header: JsonObject): string {
  const url = header['url']
  if (typeof url !== 'string') throw malformed('The protected header has no "url"')
  return url
}

/**
 * Refuses every member that we do not act on, before any cryptography: `crit`, `b64`, `zip`, `enc`, `p2c` and whatever
 * comes next (KF-B03).
 *
 * @throws {AcmeError} `malformed`, naming the first
 */
export function refuseOtherMembers(header: JsonObject, known: readonly string[], what: string): void {
  for (const name of Object.keys(header)) {
    if (known.includes(name) || HARMLESS.includes(name)) continue
    throw malformed(`${what} has a member ${quote(name)}; only ${known.join(', ')} have a meaning here`)
  }
}

function malformed(detail: string): AcmeError {
  return new AcmeError('malformed', detail)
}
