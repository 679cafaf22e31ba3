import { createHmac, timingSafeEqual } from 'node:crypto'
import type { EabKeyId } from '../lib/ids.ts'
import { parseId } from '../lib/ids.ts'
import { quoteUrl } from '../lib/quote.ts'
import { opensAccount } from '../store/eab-key.ts'
import type { EabKeyRecord } from '../store/records.ts'
import type { WrappedKeys } from './eab-key.ts'
import { eabKeyContext } from './eab-key.ts'
import type { AcmeServices, AuthenticatedRequest, JsonObject, JsonValue } from './endpoint.ts'
import type { MacAlgorithmName } from './jws/algorithms.ts'
import { isMacAlgorithm, MAC_ALGORITHMS } from './jws/algorithms.ts'
import type { FlattenedJws } from './jws/flattened.ts'
import { asObject, parseFlattened, parseJsonBytes } from './jws/flattened.ts'
import { readUrl, refuseOtherMembers } from './jws/header-rules.ts'
import { readJwk } from './jws/jwk.ts'
import { AcmeError } from './problem.ts'

const WHAT = 'The external account binding'
const MAX_KID_LENGTH = 200

/** A binding that holds: the key to spend with the account's creation, and the object to show from then on. */
export interface VerifiedBinding {
  readonly eabKeyId: EabKeyId
  readonly echo: JsonObject
}

/**
 * Verifies an `externalAccountBinding` (RFC 8555 §7.3.4): its form, its header, its payload against the new account's
 * key, and its MAC.
 *
 * Whatever depends on the key identifier ends in one and the same answer after the same work: unknown, another
 * directory's, used up, expired, revoked, wrong MAC (KF-B15). Spending it is left to the transaction that creates the
 * account (KF-B14).
 *
 * @throws {AcmeError} `malformed`, `badSignatureAlgorithm`, `badPublicKey`, `unauthorized`
 */
export async function verifyExternalAccountBinding(
  value: JsonValue,
  request: Pick<AuthenticatedRequest, 'url' | 'directory'> & { readonly thumbprint: string },
  services: Pick<AcmeServices, 'store' | 'wrappedKeys' | 'clock'>,
): Promise<VerifiedBinding> {
  const jws = parseFlattened(value, WHAT)
  const { alg, kid, url } = readHeader(jws.header)
  if (url !== request.url) throw unauthorized(`its "url" is not that of the request, ${quoteUrl(request.url)}`)
  const bound = readJwk(
    asObject(
      parseJsonBytes(jws.payload, `The payload of the external account binding`),
      `The payload of the external account binding`,
    ),
  )
  if (bound.thumbprint !== request.thumbprint) throw unauthorized('its payload is not the key that signs the request')

  const id = parseId('eab-key', kid)
  const found = id && (await services.store.eabKeys.find(id))
  const isGood = isMacGood(jws, alg, found, services.wrappedKeys)
  if (found === undefined || !isGood || !opensAccount(found, request.directory.name, services.clock.now()))
    throw refusedKey()
  return { eabKeyId: found.id, echo: asObject(value, WHAT) }
}

/** One answer for every fault of key or MAC, with the usual cause in it (CQ-A09). */
export function refusedKey(): AcmeError {
  return unauthorized(
    'its key identifier is unknown, expired, revoked or used up, or its MAC does not verify. The MAC key is handed ' +
      'out as base64url text: decode it to bytes before use',
  )
}

function readHeader(header: JsonObject): { alg: MacAlgorithmName; kid: string; url: string } {
  // Said first, because clients that send one need to hear it (CQ-N06).
  if ('nonce' in header) throw new AcmeError('malformed', `${WHAT} has a "nonce"; leave it out (RFC 8555 §7.3.4)`)
  const { alg, kid } = header
  if (typeof alg !== 'string' || !isMacAlgorithm(alg)) {
    const algorithms = Object.keys(MAC_ALGORITHMS)
    throw new AcmeError('badSignatureAlgorithm', `${WHAT} needs a MAC algorithm: ${algorithms.join(', ')}`, {
      algorithms,
    })
  }
  refuseOtherMembers(header, ['alg', 'kid', 'url'], WHAT)
  if (typeof kid !== 'string' || kid === '' || kid.length > MAX_KID_LENGTH) {
    throw new AcmeError(
      'malformed',
      `${WHAT} has no "kid", or a very long one; it is the key identifier you were given`,
    )
  }
  return { alg, kid, url: readUrl(header) }
}

/** The MAC is computed and compared whether or not there is a key. */
function isMacGood(
  jws: FlattenedJws,
  alg: MacAlgorithmName,
  found: EabKeyRecord | undefined,
  wrappedKeys: WrappedKeys,
): boolean {
  // The secret of a key that only a restore remembers is lost.
  const isKnown = found !== undefined && found.wrappedMacKey.length > 0
  const macKey = isKnown ? wrappedKeys.unwrap(found.wrappedMacKey, eabKeyContext(found.id)) : decoy(wrappedKeys)
  const expected = createHmac(MAC_ALGORITHMS[alg].hash, macKey).update(jws.signingInput).digest()
  const given = Buffer.alloc(expected.length)
  jws.signature.copy(given)
  const isEqual = timingSafeEqual(given, expected)
  return isEqual && jws.signature.length === expected.length && isKnown
}

/** Unwraps a key that opens nothing, so that an unknown identifier costs what a known one does. */
function decoy(wrappedKeys: WrappedKeys): Buffer {
  const context = eabKeyContext('decoy')
  let wrapped = decoys.get(wrappedKeys)
  if (wrapped === undefined) {
    wrapped = wrappedKeys.wrap(Buffer.alloc(32), context)
    decoys.set(wrappedKeys, wrapped)
  }
  return wrappedKeys.unwrap(wrapped, context)
}

const decoys = new WeakMap<WrappedKeys, Buffer>()

function unauthorized(reason: string): AcmeError {
  return new AcmeError('unauthorized', `${WHAT} was not accepted: ${reason}`)
}
