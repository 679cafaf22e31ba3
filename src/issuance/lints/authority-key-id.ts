import { OID } from '../../x509/oids.ts'
import type { Lint } from '../lint.ts'

/** The key identifier of the issuing CA as its own certificate has it, and nothing else (KF-C18, CQ-C05). */
export const authorityKeyId: Lint = {
  name: 'authority-key-id',
  source: 'RFC 5280 §4.2.1.1, BR 7.1.2.11.1, RFC 9773 §4.1',
  severity: 'error',
  check({ extensions, authorityKeyId }, { issuer }) {
    const expected = issuer.certificate.subjectKeyId
    if (authorityKeyId === undefined) return 'there is no authorityKeyIdentifier with a key identifier'
    if (expected === undefined || !authorityKeyId.equals(expected))
      return "the authorityKeyIdentifier is not the issuing CA's subjectKeyIdentifier"
    const keyIdOnly = authorityKeyId.length + 4
    return extensions.get(OID.authorityKeyIdentifier)?.value.length === keyIdOnly
      ? undefined
      : 'the authorityKeyIdentifier names more than the key'
  },
}
