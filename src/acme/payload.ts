import type { JsonObject } from './endpoint.ts'
import { AcmeError } from './problem.ts'

/** @throws {AcmeError} `malformed` unless the request is POST-as-GET (RFC 8555 §6.3) */
export function requireEmptyPayload(payload: '' | JsonObject, what: string): void {
  if (payload !== '') {
    throw new AcmeError('malformed', `${what} is read by POST-as-GET: send an empty payload (RFC 8555 §6.3)`)
  }
}

/** @throws {AcmeError} `malformed` when the request is POST-as-GET */
export function requireObject(payload: '' | JsonObject, what: string): JsonObject {
  if (payload === '') throw new AcmeError('malformed', `${what} needs a JSON object as payload`)
  return payload
}

/** An optional boolean; `null` is absence. @throws {AcmeError} `malformed`: "true" in quotes must not pass for false */
export function readFlag(payload: JsonObject, name: string): boolean {
  const value = payload[name] ?? false
  if (typeof value !== 'boolean') throw new AcmeError('malformed', `"${name}" is neither true nor false`)
  return value
}
