import { checkCaCertificate } from '../issuance/check-issuer.ts'
import { httpUrlProblem } from '../issuance/http-url.ts'
import { commonWindow } from '../issuance/validity.ts'
import { encodePem } from '../lib/pem.ts'
import type { Random } from '../lib/random.ts'
import type { SigningKey } from '../signer/signer.ts'
import type { KeyKind } from '../signer/software.ts'
import { generateKey } from '../signer/software.ts'
import type { ParsedCertificate } from '../x509/certificate.ts'
import { parseCertificate } from '../x509/certificate.ts'
import { OID } from '../x509/oids.ts'
import type { CaSubject, NameConstraints } from './ca-certificate.ts'
import { CeremonyError, caSubjectDer, caWindow, signCaCertificate } from './ca-certificate.ts'
import type { NewCa } from './root.ts'
import { CA_BACKDATE_SECONDS } from './root.ts'

const TWO_YEARS_SECONDS = 730 * 86_400

export interface IssuingCaOptions extends CaSubject {
  /** The CA that signs; its key may come from a file, a token or, for an offline root, another machine. */
  readonly root: { readonly certificateDer: Buffer; readonly key: SigningKey }
  readonly lifetimeSeconds?: number | undefined
  readonly backdateSeconds?: number | undefined
  /** Absent: the CA may certify any name. */
  readonly nameConstraints?: NameConstraints | undefined
  /** Object identifiers of the only purposes of its certificates; absent: those of TLS. */
  readonly extendedKeyUsages?: readonly string[] | undefined
  /** Where the *root's* CRL is published; absent when it has none. */
  readonly crlUrl?: string | undefined
  /** Where the *root's* certificate is published, DER over http. */
  readonly caIssuersUrl?: string | undefined
  readonly now: Date
  readonly random: Random
}

/**
 * Makes an issuing CA under `root`: P-256, two years, path length 0, for server and client certificates only
 * unless it is told other purposes, and
 * bound to names by critical name constraints when given. Ends no later than the root.
 *
 * @throws {CeremonyError}
 */
export async function createIssuingCa(
  options: IssuingCaOptions & { readonly keyKind?: KeyKind | undefined },
): Promise<NewCa> {
  const key = await generateKey(options.keyKind ?? 'P-256')
  const { certificateDer, certificatePem } = await certifyIssuingCa({ ...options, spkiDer: key.signingKey.spkiDer })
  return { certificateDer, certificatePem, key }
}

/**
 * The half of `createIssuingCa` that an offline root does: certifies the public key of a CSR that `issuingCaCsr` made
 * elsewhere. The caller verified the CSR's signature and shows its subject; the name given here is what is certified.
 *
 * @throws {CeremonyError}
 */
export async function certifyIssuingCa(
  options: IssuingCaOptions & { readonly spkiDer: Buffer },
): Promise<{ readonly certificateDer: Buffer; readonly certificatePem: string }> {
  const root = parseCertificate(options.root.certificateDer)
  checkRoot(root, options.root.key, options.now)
  const subjectDer = caSubjectDer(options)
  if (subjectDer.equals(root.subjectDer)) throw new CeremonyError('the issuing CA needs another name than its root')
  if (options.spkiDer.equals(root.publicKey.der))
    throw new CeremonyError('the issuing CA needs another key than its root')
  for (const [field, url] of [
    ['CRL', options.crlUrl],
    ['root certificate', options.caIssuersUrl],
  ] as const) {
    const problem = url === undefined ? undefined : httpUrlProblem(url)
    if (problem !== undefined) throw new CeremonyError(`the ${field} address ${JSON.stringify(url)} ${problem}`)
  }
  const planned = caWindow(
    options.now,
    options.lifetimeSeconds ?? TWO_YEARS_SECONDS,
    options.backdateSeconds ?? CA_BACKDATE_SECONDS,
  )
  const certificateDer = await signCaCertificate(
    {
      subjectDer,
      spkiDer: options.spkiDer,
      validity: commonWindow([planned, root]),
      pathLen: 0,
      extendedKeyUsages: options.extendedKeyUsages ?? [OID.serverAuth, OID.clientAuth],
      nameConstraints: options.nameConstraints,
      crlUrl: options.crlUrl,
      caIssuersUrl: options.caIssuersUrl,
      random: options.random,
    },
    { key: options.root.key, certificate: root },
  )
  return { certificateDer, certificatePem: encodePem('CERTIFICATE', certificateDer) }
}

function checkRoot(root: ParsedCertificate, key: SigningKey, now: Date): void {
  const problems = checkCaCertificate(root, 'the root')
  if (!key.spkiDer.equals(root.publicKey.der)) problems.push("the private key is not the root's")
  if (now < root.notBefore || now > root.notAfter)
    problems.push(`the root is valid from ${root.notBefore.toISOString()} to ${root.notAfter.toISOString()}`)
  // A CA with path length 0 may certify no CA at all (RFC 5280 §4.2.1.9).
  if (root.basicConstraints?.pathLen === 0) problems.push('its path length forbids a CA below it')
  if (problems.length > 0) throw new CeremonyError(`this root cannot certify an issuing CA: ${problems.join('; ')}`)
}
