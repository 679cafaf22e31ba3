import { decodePem } from '../lib/pem.ts'
import type { SigningKey } from '../signer/signer.ts'
import type { ParsedCertificate } from '../x509/certificate.ts'
import { parseCertificate } from '../x509/certificate.ts'
import { disbelief, verifySignature } from '../x509/signature.ts'
import { checkCaCertificate } from './check-issuer.ts'
import { IssuanceError } from './issuance-error.ts'

/** An issuing CA that this process may use: its certificate, its key, and everything that leaves with a leaf. */
export interface Issuer {
  /** As profiles name it. */
  readonly name: string
  /** Lower-case hex of the certificate's subjectKeyIdentifier; key of serials and CRLs in the store. */
  readonly id: string
  readonly certificate: ParsedCertificate
  readonly key: SigningKey
  /** The issuing CA first, each next one the issuer of the one before; the root last when it is known. */
  readonly chain: readonly ParsedCertificate[]
  /** Goes into every leaf's cRLDistributionPoints and the CRL's issuingDistributionPoint, the same bytes in both. */
  readonly crlUrl: string
  /** Goes into every leaf's authorityInfoAccess. */
  readonly caIssuersUrl: string
  /** Further chains to offer to clients (RFC 8555 §7.4.2), each issuing CA first and without root. */
  readonly alternateChainsDer: readonly (readonly Buffer[])[]
}

export interface IssuerSource {
  readonly name: string
  readonly key: SigningKey
  /** `chain.pem`: the issuing CA, then its intermediates upwards; a root at the end is allowed. */
  readonly chainPem: string
  /** The root, when it is not in `chainPem`. It bounds validity and its constraints are honoured. */
  readonly rootPem?: string | undefined
  /** Each like `chainPem`, for the same issuing key and name under another root. */
  readonly alternates?: readonly string[] | undefined
  /** Absolute http URLs; a function gets the issuer's id. */
  readonly crlUrl: string | ((issuerId: string) => string)
  readonly caIssuersUrl: string | ((issuerId: string) => string)
}

/**
 * Reads an issuing CA from its files. Only the shape is checked here; `checkIssuer` says whether it may be used.
 *
 * @throws {IssuanceError} `ISSUER_UNFIT`, naming the file's part that is wrong
 */
export function loadIssuer(source: IssuerSource): Issuer {
  const chain = readChain(source.name, source.chainPem)
  const certificate = chain[0]
  if (certificate === undefined) throw unfit(source.name, 'the chain holds no certificate')
  if (source.rootPem !== undefined) {
    const roots = readChain(source.name, source.rootPem)
    const root = roots[0]
    if (root === undefined || roots.length !== 1)
      throw unfit(source.name, 'the root file must hold exactly one certificate')
    if (!chain.some((known) => known.der.equals(root.der))) chain.push(root)
  }
  if (certificate.subjectKeyId === undefined) {
    throw unfit(
      source.name,
      'the certificate has no subjectKeyIdentifier, which every CA certificate must have (RFC 5280 §4.2.1.2)',
    )
  }
  const id = certificate.subjectKeyId.toString('hex')
  return {
    name: source.name,
    id,
    certificate,
    key: source.key,
    chain,
    crlUrl: resolve(source.crlUrl, id),
    caIssuersUrl: resolve(source.caIssuersUrl, id),
    alternateChainsDer: (source.alternates ?? []).map((pem) => readAlternate(source.name, certificate, pem)),
  }
}

/** The certificates to send after a leaf: up from the issuing CA, without a root, but never none (CQ-C01). */
export function chainToServe({ chain }: Pick<Issuer, 'chain'>): readonly Buffer[] {
  const withoutRoot = chain.filter((certificate) => !certificate.subjectDer.equals(certificate.issuerDer))
  return (withoutRoot.length === 0 ? chain.slice(0, 1) : withoutRoot).map((certificate) => certificate.der)
}

/** An alternate certifies the same name and key, or leaves would not chain to it. */
function readAlternate(name: string, certificate: ParsedCertificate, pem: string): readonly Buffer[] {
  const chain = readChain(name, pem)
  const first = chain[0]
  if (first === undefined) throw unfit(name, 'an alternate chain holds no certificate')
  if (!first.subjectDer.equals(certificate.subjectDer) || !first.publicKey.der.equals(certificate.publicKey.der)) {
    throw unfit(name, 'an alternate chain begins with another CA: subject and key must be those of the default chain')
  }
  // Whoever builds a path looks for the key identifier that stands in the leaves (RFC 5280 §4.2.1.1).
  const keyId = certificate.subjectKeyId
  if (keyId !== undefined && first.subjectKeyId !== undefined && !first.subjectKeyId.equals(keyId))
    throw unfit(
      name,
      'the first certificate of an alternate chain has another subjectKeyIdentifier than that of the default chain, so that ' +
        `no client would take it for the issuer; have it certified with ${keyId.toString('hex')}`,
    )
  for (const [index, link] of chain.entries()) {
    const who = `certificate ${index + 1} of an alternate chain`
    const [problem] = checkCaCertificate(link, who)
    if (problem !== undefined) throw unfit(name, problem)
    const next = chain[index + 1]
    if (next !== undefined && !verifySignature(link, next.publicKey))
      throw unfit(name, `${who} ${disbelief(link) ?? 'is not signed by the one that follows it'}`)
  }
  return chainToServe({ chain })
}

function readChain(name: string, pem: string): ParsedCertificate[] {
  try {
    return decodePem(pem).map((block) => {
      if (block.label !== 'CERTIFICATE')
        throw new Error(`a chain holds only CERTIFICATE blocks, found ${block.label.slice(0, 40)}`)
      return parseCertificate(block.der)
    })
  } catch (cause) {
    throw new IssuanceError(
      'ISSUER_UNFIT',
      `issuer ${name}: ${cause instanceof Error ? cause.message : 'unreadable chain'}`,
      [],
      { cause },
    )
  }
}

function resolve(url: string | ((issuerId: string) => string), id: string): string {
  return typeof url === 'string' ? url : url(id)
}

function unfit(name: string, message: string): IssuanceError {
  return new IssuanceError('ISSUER_UNFIT', `issuer ${name}: ${message}`)
}
