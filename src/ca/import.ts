import { EXTENDED_KEY_USAGE_OIDS } from '../issuance/build-leaf.ts'
import { checkIssuer } from '../issuance/check-issuer.ts'
import type { Issuer } from '../issuance/issuer.ts'
import { formatIpAddress } from '../lib/ip-address.ts'
import type { SigningKey } from '../signer/signer.ts'
import { parseCertificate } from '../x509/certificate.ts'
import type { ConstraintBase, NameConstraints } from '../x509/name-constraints.ts'
import { describeOid, OID } from '../x509/oids.ts'

export interface ImportReport {
  /** Each forbids the import. */
  readonly problems: readonly string[]
  /** Worth a look by whoever runs the import, above all what the CA is limited to. */
  readonly notes: readonly string[]
}

/**
 * Whether an issuing CA certified elsewhere fits our key and chains to the root that was given: key, CA bits, path
 * lengths, validity, names and every signature. Reads only; nothing is stored.
 *
 * @param chainDer the certificates above it, upwards, the root last
 * @throws {DerError} when a certificate is not strict DER
 */
export async function checkImported(
  issuingCertDer: Buffer,
  chainDer: readonly Buffer[],
  key: SigningKey,
  now: Date,
): Promise<ImportReport> {
  const certificate = parseCertificate(issuingCertDer)
  const chain = [certificate, ...chainDer.map((der) => parseCertificate(der))]
  const candidate: Issuer = {
    name: 'to import',
    id: certificate.subjectKeyId?.toString('hex') ?? '',
    certificate,
    key,
    chain,
    // Addresses are the configuration's; they are no part of what is imported.
    crlUrl: 'http://localhost/',
    caIssuersUrl: 'http://localhost/',
    alternateChainsDer: [],
  }
  const problems = await checkIssuer(candidate, now)
  const root = chain.at(-1) ?? certificate
  if (!root.subjectDer.equals(root.issuerDer))
    problems.push('the chain does not end in a root (a certificate that signed itself)')
  const usages = certificate.extendedKeyUsage
  if (
    usages !== undefined &&
    ![...Object.values(EXTENDED_KEY_USAGE_OIDS), OID.anyExtendedKeyUsage].some((usage) => usages.includes(usage))
  ) {
    problems.push('its extendedKeyUsage allows no kind of certificate that is issued here')
  }
  const pathLen = certificate.basicConstraints?.pathLen
  return {
    problems,
    notes: [
      `valid from ${certificate.notBefore.toISOString()} to ${certificate.notAfter.toISOString()}`,
      pathLen === undefined ? 'no path length: it could certify further CAs; 0 is safer' : `path length ${pathLen}`,
      usages === undefined ? 'no limit of key purposes' : `key purposes: ${usages.map(describeOid).join(', ')}`,
      describeConstraints(certificate.nameConstraints),
    ],
  }
}

function describeConstraints(constraints: NameConstraints | undefined): string {
  if (constraints === undefined) return 'no name constraints: it can certify any name'
  const list = (bases: readonly ConstraintBase[]) =>
    bases.length === 0 ? 'nothing' : bases.map(describeBase).join(', ')
  return `names: permitted ${list(constraints.permitted)}; excluded ${list(constraints.excluded)}`
}

function describeBase(base: ConstraintBase): string {
  switch (base.type) {
    case 'dns':
    case 'email':
    case 'uri':
      return `${base.type} ${JSON.stringify(base.value)}`
    case 'ip':
      return `ip ${formatIpAddress(base.network)}/${prefixLength(base.mask)}`
    case 'other':
      return `a name form that is not supported here ([${base.tag}])`
    default:
      return base satisfies never
  }
}

/** The parser refused masks with holes, so the ones can be counted. */
function prefixLength(mask: Buffer): number {
  return [...mask].reduce((sum, octet) => sum + octet.toString(2).replaceAll('0', '').length, 0)
}
