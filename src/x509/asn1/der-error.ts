/**
 * The one error of everything below `x509/` that reads bytes: they are not strict DER, or not what the structure
 * allows. The message says what was wrong and names no secret, so that it may be shown to whoever sent the bytes.
 */
export class DerError extends Error {
  readonly code = 'DER_MALFORMED'
  override readonly name = 'DerError'
}
