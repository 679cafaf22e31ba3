import { decodeBase64url } from '../lib/base64url.ts'
import type { AcmeServices, JsonValue } from './endpoint.ts'
import { AcmeError } from './problem.ts'

/**
 * Reads the payload member `csr` (RFC 8555 §7.4) or `certificate` (§7.6): DER as base64url. These two alone may end
 * in `=`, which two clients send; it is counted, and can be switched off (CQ-J03).
 *
 * @throws {AcmeError} `malformed`, saying what to send instead
 */
export function readDerField(
  field: 'csr' | 'certificate',
  value: JsonValue | undefined,
  services: AcmeServices,
): Buffer {
  if (typeof value !== 'string' || value === '') {
    throw new AcmeError('malformed', `The payload needs a member "${field}": DER encoded as base64url`)
  }
  if (value.includes('-----BEGIN')) {
    throw new AcmeError(
      'malformed',
      `"${field}" is PEM; send its DER, encoded as base64url, without the BEGIN and END lines (RFC 8555 §7.4)`,
    )
  }
  const { text, isPadded } = withoutPadding(value, services.settings.acceptPaddedBase64)
  const der = decodeBase64url(text)
  if (der === undefined) {
    throw new AcmeError(
      'malformed',
      `"${field}" is not base64url without padding: use - and _ in place of + and /, and no =, line breaks or spaces`,
    )
  }
  if (isPadded) services.metrics.count('chancery_padded_base64_total', { field })
  return der
}

function withoutPadding(value: string, isAccepted: boolean): { text: string; isPadded: boolean } {
  const end = value.endsWith('==') ? -2 : value.endsWith('=') ? -1 : undefined
  if (end === undefined || !isAccepted) return { text: value, isPadded: false }
  return { text: value.slice(0, end), isPadded: true }
}
