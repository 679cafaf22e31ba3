import { createHash, timingSafeEqual } from 'node:crypto'

/**
 * The text that proves control (RFC 8555 §8.1): the token, a dot, and the RFC 7638 thumbprint of the account key.
 * Who only echoes the request cannot make it, for the thumbprint is never in a request (KF-A09).
 */
export function keyAuthorization(token: string, thumbprint: string): string {
  return `${token}.${thumbprint}`
}

/** SHA-256 of the key authorization: 32 octets, as tls-alpn-01 carries it (RFC 8737 §3). */
export function keyAuthorizationDigest(keyAuthorizationText: string): Buffer {
  return createHash('sha256').update(keyAuthorizationText, 'ascii').digest()
}

/** The TXT value of dns-01: the digest in base64url without padding, 43 characters (RFC 8555 §8.4). */
export function dnsDigest(keyAuthorizationText: string): string {
  return keyAuthorizationDigest(keyAuthorizationText).toString('base64url')
}

/** Compares without telling by its time where the two differ. Only the length is not hidden. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b)
}
