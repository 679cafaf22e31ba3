import { isUtf8 } from 'node:buffer'
import { decodeBase64url } from '../../lib/base64url.ts'
import type { JsonObject, JsonValue } from '../endpoint.ts'
import { AcmeError } from '../problem.ts'
import { parseStrictJson, StrictJsonError } from './strict-json.ts'

/** A JWS in flattened form (RFC 7515 §7.2.2), taken apart and not yet believed. */
export interface FlattenedJws {
  readonly header: JsonObject
  readonly payload: Buffer
  readonly signature: Buffer
  /** What the signature is over (RFC 7515 §5.1). */
  readonly signingInput: Buffer
}

type Member = 'protected' | 'payload' | 'signature'

/**
 * Reads a flattened JWS: exactly `protected`, `payload` and `signature`, each base64url without padding (RFC 8555 §6.2,
 * KF-B02, CQ-J05).
 *
 * @param what names the JWS in the refusal, such as `The request body`
 * @throws {AcmeError} `malformed`
 */
export function parseFlattened(value: JsonValue | undefined, what: string): FlattenedJws {
  const jws = asObject(value, what)
  if ('signatures' in jws)
    throw malformed(`${what} uses the general JWS form; send the flattened form with one signature`)
  if ('header' in jws) throw malformed(`${what} has an unprotected header; everything belongs into "protected"`)
  for (const name of Object.keys(jws)) {
    if (name !== 'protected' && name !== 'payload' && name !== 'signature')
      throw malformed(`${what} has members beside protected, payload, signature`)
  }
  const encodedHeader = bytesOf(jws, 'protected', what)
  const payload = bytesOf(jws, 'payload', what)
  const signature = bytesOf(jws, 'signature', what)
  const headerName = `The protected header of ${lower(what)}`
  return {
    header: asObject(parseJsonBytes(encodedHeader, headerName), headerName),
    payload,
    signature,
    signingInput: Buffer.from(`${jws['protected'] as string}.${jws['payload'] as string}`, 'latin1'),
  }
}

/** @throws {AcmeError} `malformed`, naming what was wrong with the JSON */
export function parseJsonBytes(bytes: Buffer, what: string): JsonValue {
  if (!isUtf8(bytes)) throw malformed(`${what} is not UTF-8`)
  try {
    return parseStrictJson(bytes.toString('utf8'))
  } catch (error) {
    if (error instanceof StrictJsonError) throw malformed(`${what} is not acceptable JSON: ${error.message}`)
    throw error
  }
}

/** @throws {AcmeError} `malformed` when it is anything but a JSON object */
export function asObject(value: JsonValue | undefined, what: string): JsonObject {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as JsonObject
  throw malformed(`${what} is not a JSON object`)
}

function bytesOf(jws: JsonObject, name: Member, what: string): Buffer {
  const text = jws[name]
  if (typeof text !== 'string') throw malformed(`${what} has no string member "${name}"`)
  if (text === '' && name !== 'payload') throw malformed(`${what} has an empty "${name}"`)
  const bytes = decodeBase64url(text)
  if (bytes === undefined) throw malformed(`"${name}" of ${lower(what)} is not base64url without padding`)
  return bytes
}

function lower(what: string): string {
  return what.charAt(0).toLowerCase() + what.slice(1)
}

function malformed(detail: string): AcmeError {
  return new AcmeError('malformed', detail)
}
