import { X509Certificate } from 'node:crypto'
import { checkCaCertificate } from '../issuance/check-issuer.ts'
import { newSerial } from '../issuance/serial.ts'
import type { ValidityWindow } from '../issuance/validity.ts'
import { lifetimeSecondsOf } from '../issuance/validity.ts'
import type { Random } from '../lib/random.ts'
import type { SigningKey } from '../signer/signer.ts'
import type { ParsedCertificate, ParsedTbsCertificate } from '../x509/certificate.ts'
import { parseCertificate, parseTbsCertificate } from '../x509/certificate.ts'
import {
  authorityInfoAccess,
  authorityKeyIdentifier,
  basicConstraints,
  crlDistributionPoints,
  extendedKeyUsage,
  keyUsage,
  nameConstraints,
  subjectKeyIdentifier,
} from '../x509/extensions.ts'
import { buildName } from '../x509/name.ts'
import { verifySignature } from '../x509/signature.ts'
import { parseSubjectPublicKey } from '../x509/spki.ts'
import { assembleSigned, buildTbsCertificate } from '../x509/tbs-certificate.ts'

/** A ceremony could not be completed; the message says what to change. */
export class CeremonyError extends Error {
  override readonly name = 'CeremonyError'
}

export interface CaSubject {
  /** Becomes the commonName; 1 to 64 characters. */
  readonly name: string
  readonly organization?: string | undefined
}

export interface NameConstraints {
  /** Each covers itself and everything below it. */
  readonly dns: readonly string[]
  /** CIDR blocks. */
  readonly ip: readonly string[]
}

export interface CaPlan {
  readonly subjectDer: Buffer
  readonly spkiDer: Buffer
  readonly validity: ValidityWindow
  readonly pathLen?: number | undefined
  readonly extendedKeyUsages?: readonly string[] | undefined
  readonly nameConstraints?: NameConstraints | undefined
  readonly crlUrl?: string | undefined
  readonly caIssuersUrl?: string | undefined
  readonly random: Random
}

/** Who signs: absent certificate for a root, which signs itself. */
export interface CaSigner {
  readonly key: SigningKey
  readonly certificate?: ParsedCertificate | undefined
}

/** CA names are UTF8String, organization before commonName (BR 7.1.4). @throws {CeremonyError} */
export function caSubjectDer(subject: CaSubject): Buffer {
  for (const [field, value] of [
    ['name', subject.name],
    ['organization', subject.organization ?? 'x'],
  ] as const) {
    // \p{Cc}: control characters would make two names look alike in every listing.
    if (value.trim() === '' || value.trim() !== value || [...value].length > 64 || /\p{Cc}/u.test(value)) {
      throw new CeremonyError(
        `the CA's ${field} must be 1 to 64 characters without control characters or spaces at its ends`,
      )
    }
  }
  const organization = subject.organization === undefined ? [] : [{ type: 'O' as const, value: subject.organization }]
  return buildName([...organization, { type: 'CN', value: subject.name }])
}

/** A window of exactly `lifetimeSeconds`, both ends counted, that began `backdateSeconds` ago. @throws {CeremonyError} */
export function caWindow(now: Date, lifetimeSeconds: number, backdateSeconds: number): ValidityWindow {
  if (!Number.isInteger(lifetimeSeconds) || lifetimeSeconds <= backdateSeconds) {
    throw new CeremonyError(
      `a CA lifetime of ${lifetimeSeconds} s is not possible; give whole seconds, more than ${backdateSeconds}`,
    )
  }
  const start = Math.floor(now.getTime() / 1000) - backdateSeconds
  return { notBefore: new Date(start * 1000), notAfter: new Date((start + lifetimeSeconds - 1) * 1000) }
}

/**
 * Builds a CA certificate, reads it back, compares it with the plan, and only then lets the key sign it; the result
 * is verified by our parser and by OpenSSL's.
 *
 * @throws {CeremonyError} when anything does not come out as planned
 */
export async function signCaCertificate(plan: CaPlan, signer: CaSigner): Promise<Buffer> {
  const publicKey = parseSubjectPublicKey(plan.spkiDer)
  const issuerKeyId = signer.certificate === undefined ? publicKey.keyId : signer.certificate.subjectKeyId
  if (issuerKeyId === undefined) throw new CeremonyError('the signing CA has no subjectKeyIdentifier')
  const serial = newSerial(plan.random)
  const tbsDer = buildTbsCertificate({
    serial,
    signatureAlgorithm: signer.key.algorithm,
    issuerNameDer: signer.certificate?.subjectDer ?? plan.subjectDer,
    notBefore: plan.validity.notBefore,
    notAfter: plan.validity.notAfter,
    subjectNameDer: plan.subjectDer,
    spkiDer: plan.spkiDer,
    extensions: [
      basicConstraints(plan.pathLen === undefined ? { ca: true } : { ca: true, pathLen: plan.pathLen }),
      keyUsage(['keyCertSign', 'cRLSign']),
      ...(plan.extendedKeyUsages === undefined ? [] : [extendedKeyUsage([...plan.extendedKeyUsages])]),
      ...(plan.nameConstraints === undefined ? [] : [nameConstraints(constraintTrees(plan.nameConstraints))]),
      subjectKeyIdentifier(publicKey.keyId),
      authorityKeyIdentifier(issuerKeyId),
      ...(plan.caIssuersUrl === undefined ? [] : [authorityInfoAccess({ caIssuers: plan.caIssuersUrl })]),
      ...(plan.crlUrl === undefined ? [] : [crlDistributionPoints(plan.crlUrl)]),
    ],
  })
  compare(parseTbsCertificate(tbsDer), plan, serial, issuerKeyId)
  const certificateDer = assembleSigned(tbsDer, signer.key.algorithm, await signer.key.sign(tbsDer))
  const signerKey = signer.certificate?.publicKey ?? publicKey
  const verified =
    verifySignature(parseCertificate(certificateDer), signerKey) &&
    new X509Certificate(certificateDer).verify(signerKey.key)
  if (!verified)
    throw new CeremonyError(
      'the signature on the new CA certificate does not verify; key and certificate of the signer do not match',
    )
  return certificateDer
}

/** A permitted list of one type leaves the other types free (RFC 5280 §4.2.1.10), so a type without a list is excluded whole. */
function constraintTrees(constraints: NameConstraints) {
  const excludedDns = constraints.dns.length === 0 ? [''] : []
  const excludedIp = constraints.ip.length === 0 ? ['0.0.0.0/0', '::/0'] : []
  return {
    permitted: { dns: [...constraints.dns], ip: [...constraints.ip] },
    excluded: { dns: excludedDns, ip: excludedIp },
  }
}

function compare(built: ParsedTbsCertificate, plan: CaPlan, serial: Buffer, issuerKeyId: Buffer): void {
  const problems = checkCaCertificate(built, 'the new certificate')
  if (!built.serial.equals(serial)) problems.push('the serial number changed')
  if (!built.subjectDer.equals(plan.subjectDer)) problems.push('the subject changed')
  if (!built.publicKey.der.equals(plan.spkiDer)) problems.push('the public key changed')
  if (built.authorityKeyId?.equals(issuerKeyId) !== true) problems.push('the authorityKeyIdentifier changed')
  if (built.basicConstraints?.pathLen !== plan.pathLen) problems.push('the path length changed')
  if (lifetimeSecondsOf(built) !== lifetimeSecondsOf(plan.validity)) problems.push('the validity changed')
  if ((built.nameConstraints === undefined) !== (plan.nameConstraints === undefined))
    problems.push('the name constraints changed')
  if (problems.length > 0) throw new CeremonyError(`the CA certificate was not signed: ${problems.join('; ')}`)
}
