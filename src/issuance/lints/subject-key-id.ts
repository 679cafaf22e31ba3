import type { Lint } from '../lint.ts'

/** The subjectKeyIdentifier is derived from the key that is certified. */
export const subjectKeyId: Lint = {
  name: 'subject-key-id',
  source: 'RFC 5280 §4.2.1.2',
  severity: 'error',
  check({ subjectKeyId, publicKey }) {
    if (subjectKeyId === undefined) return 'there is no subjectKeyIdentifier'
    return subjectKeyId.equals(publicKey.keyId) ? undefined : 'the subjectKeyIdentifier is not that of the public key'
  },
}
