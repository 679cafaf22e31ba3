/**
 * Decodes base64url without padding, strictly (RFC 8555 §6.1, RFC 4648 §5): no `=`, no white space, no `+` or
 * `/`, no impossible length, no non-zero trailing bits. One text, one value; so a second spelling cannot alias it.
 *
 * @returns the bytes, or undefined when the text is not canonical base64url
 */
export function decodeBase64url(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64url')
  return bytes.toString('base64url') === text ? bytes : undefined
}

export function encodeBase64url(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64url')
}
