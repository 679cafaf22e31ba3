import type { ParsedTbsCertificate } from '../x509/certificate.ts'
import { checkNameConstraints } from '../x509/name-constraints.ts'
import { describeOid, OID } from '../x509/oids.ts'
import type { Issuer } from './issuer.ts'

/** Key purposes that a CA above does not pass on, as sentences (KF-C19). */
export function checkKeyPurposes(leaf: Pick<ParsedTbsCertificate, 'extendedKeyUsage'>, issuer: Issuer): string[] {
  return issuer.chain.flatMap(({ extendedKeyUsage }) => {
    if (extendedKeyUsage === undefined || extendedKeyUsage.includes(OID.anyExtendedKeyUsage)) return []
    return (leaf.extendedKeyUsage ?? [])
      .filter((usage) => !extendedKeyUsage.includes(usage))
      .map((usage) => `a CA above is not for ${describeOid(usage)}`)
  })
}

/** Names that the constraints of any CA of the chain, the root's included, do not allow (RFC 5280 §6.1.3 (b), (c)). */
export function checkNames(leaf: ParsedTbsCertificate, issuer: Issuer): string[] {
  return issuer.chain.flatMap(({ nameConstraints }) =>
    nameConstraints === undefined ? [] : checkNameConstraints(nameConstraints, leaf.subjectAltNames, leaf.subjectDer),
  )
}
