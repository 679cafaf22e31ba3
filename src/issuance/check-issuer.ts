import { SIGNATURE_ALGORITHMS } from '../x509/algorithms.ts'
import type { ParsedTbsCertificate } from '../x509/certificate.ts'
import { describeOid, OID } from '../x509/oids.ts'
import { disbelief, verifySignature } from '../x509/signature.ts'
import { httpUrlProblem } from './http-url.ts'
import type { Issuer } from './issuer.ts'

/** Extensions that we act upon; another one that is critical forbids the use of the certificate (RFC 5280 §4.2). */
const UNDERSTOOD: ReadonlySet<string> = new Set([
  OID.basicConstraints,
  OID.keyUsage,
  OID.extKeyUsage,
  OID.nameConstraints,
  OID.subjectKeyIdentifier,
  OID.authorityKeyIdentifier,
  OID.subjectAltName,
  OID.crlDistributionPoints,
  OID.authorityInfoAccess,
  OID.certificatePolicies,
])

/**
 * Everything that forbids using this issuer at all, as sentences; empty when it may be used. To be asked at start
 * and by `check`: the key is proven to be the certificate's by a trial signature, and every signature of the chain
 * is verified (KF-G08, KF-C19, KF-C20).
 */
export async function checkIssuer(issuer: Issuer, now: Date): Promise<string[]> {
  const problems = [...checkIssuerLimits(issuer, now)]
  problems.push(...(await checkKey(issuer)))
  for (const [index, certificate] of issuer.chain.entries()) {
    const selfIssued = certificate.subjectDer.equals(certificate.issuerDer)
    const signer = issuer.chain[index + 1] ?? (selfIssued ? certificate : undefined)
    if (signer === undefined) continue
    if (!verifySignature(certificate, signer.publicKey)) {
      const fault =
        disbelief(certificate) ??
        `is not signed by ${signer === certificate ? 'its own key' : 'the certificate that follows it'}`
      problems.push(`${describe(issuer, index)} ${fault}`)
    }
  }
  for (const [field, url] of [
    ['CRL', issuer.crlUrl],
    ['issuer certificate', issuer.caIssuersUrl],
  ] as const) {
    const problem = httpUrlProblem(url)
    if (problem !== undefined) problems.push(`the ${field} address ${JSON.stringify(url)} ${problem} (KF-C22)`)
  }
  return problems
}

/** The part of `checkIssuer` that is cheap and can change with time; asked again before every single certificate. */
export function checkIssuerLimits(issuer: Issuer, now: Date): string[] {
  const problems: string[] = []
  for (const [index, certificate] of issuer.chain.entries()) {
    const who = describe(issuer, index)
    problems.push(...checkCaCertificate(certificate, who))
    if (now < certificate.notBefore) problems.push(`${who} is not valid before ${certificate.notBefore.toISOString()}`)
    if (now > certificate.notAfter) problems.push(`${who} expired at ${certificate.notAfter.toISOString()}`)
    const pathLen = certificate.basicConstraints?.pathLen
    const below = issuer.chain.slice(0, index).filter((ca) => !ca.subjectDer.equals(ca.issuerDer)).length
    if (pathLen !== undefined && below > pathLen) {
      problems.push(`${who} allows ${pathLen} CA certificates below it, there are ${below}`)
    }
    const parent = issuer.chain[index + 1]
    if (parent === undefined) continue
    if (!certificate.issuerDer.equals(parent.subjectDer))
      problems.push(`${who} names another issuer than the certificate that follows it`)
    if (
      certificate.authorityKeyId !== undefined &&
      parent.subjectKeyId !== undefined &&
      !certificate.authorityKeyId.equals(parent.subjectKeyId)
    ) {
      problems.push(`${who} has an authorityKeyIdentifier that is not the next certificate's subjectKeyIdentifier`)
    }
  }
  if (issuer.certificate.keyUsage?.has('cRLSign') === false)
    problems.push(`${describe(issuer, 0)} may not sign CRLs (keyUsage without cRLSign)`)
  return problems
}

/** What every CA certificate must have, wherever it stands in a chain (RFC 5280 §4.2.1.9, §6.1.4 (k), (n)). */
export function checkCaCertificate(certificate: ParsedTbsCertificate, who: string): string[] {
  const problems: string[] = []
  if (certificate.basicConstraints?.ca !== true) problems.push(`${who} is not a CA certificate (basicConstraints cA)`)
  if (certificate.keyUsage?.has('keyCertSign') !== true)
    problems.push(`${who} may not sign certificates (keyUsage keyCertSign)`)
  if (certificate.subjectKeyId === undefined) problems.push(`${who} has no subjectKeyIdentifier`)
  for (const [oid, extension] of certificate.extensions) {
    if (extension.critical && !UNDERSTOOD.has(oid))
      problems.push(`${who} has the critical extension ${describeOid(oid)}, which is not understood here`)
  }
  return problems
}

/** A certificate with the right name and another key would let us sign leaves that nobody can verify. */
async function checkKey(issuer: Issuer): Promise<string[]> {
  if (!issuer.key.spkiDer.equals(issuer.certificate.publicKey.der)) {
    return [`the private key of issuer ${issuer.name} does not belong to its certificate`]
  }
  // Begins with text, so that it can be taken for nothing that is signed in DER.
  const message = Buffer.concat([Buffer.from('Chancery key check\n'), issuer.certificate.der])
  try {
    const signature = await issuer.key.sign(message)
    const signatureAlgorithmOid = SIGNATURE_ALGORITHMS[issuer.key.algorithm].oid
    if (verifySignature({ tbsDer: message, signatureAlgorithmOid, signature }, issuer.certificate.publicKey)) return []
    return [
      `the private key of issuer ${issuer.name} does not belong to its certificate: a trial signature does not verify`,
    ]
  } catch (error) {
    return [
      `the private key of issuer ${issuer.name} cannot sign: ${error instanceof Error ? error.message : 'unknown error'}`,
    ]
  }
}

function describe(issuer: Issuer, index: number): string {
  return index === 0
    ? `the certificate of issuer ${issuer.name}`
    : `certificate ${index + 1} of the chain of issuer ${issuer.name}`
}
