import { verify } from 'node:crypto'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { Issuer } from '../issuance/issuer.ts'
import type { RevokedEntry } from '../store/records.ts'
import { SIGNATURE_ALGORITHMS } from '../x509/algorithms.ts'
import { buildTbsCertList, encodeRevokedEntries } from '../x509/crl.ts'
import { parseCertList } from '../x509/crl-reader.ts'
import { assembleSigned } from '../x509/tbs-certificate.ts'

export interface CrlPlan {
  readonly number: bigint
  readonly thisUpdate: Date
  readonly nextUpdate: Date
  readonly entries: readonly RevokedEntry[]
}

/** A list that does not say what was planned, or whose signature does not verify; it is not published. */
export class CrlBuildError extends Error {
  override readonly name = 'CrlBuildError'
}

/** About a millisecond of work between two turns of the loop (KF-F15). */
const CHUNK = 500

const verifyOnPool = promisify(verify)

/**
 * Builds, signs and verifies the complete CRL of an issuer (RFC 5280 §5), then reads it back entry by entry. Long
 * lists are encoded and read in chunks, signed and verified off the loop.
 *
 * @throws {CrlBuildError | SignerError}
 */
export async function buildCrl(issuer: Issuer, plan: CrlPlan): Promise<Buffer> {
  const authorityKeyId = issuer.certificate.subjectKeyId
  if (authorityKeyId === undefined) throw new TypeError('an issuer always has a subjectKeyIdentifier')
  const tbsDer = buildTbsCertList({
    signatureAlgorithm: issuer.key.algorithm,
    issuerNameDer: issuer.certificate.subjectDer,
    thisUpdate: plan.thisUpdate,
    nextUpdate: plan.nextUpdate,
    encodedEntries: await encodeInChunks(plan.entries),
    authorityKeyId,
    number: plan.number,
    distributionPointUrl: issuer.crlUrl,
    // Our issuing CAs have path length 0: all they ever certify are end entities.
    onlyContainsUserCerts: true,
  })
  const signature = await issuer.key.sign(tbsDer)
  const { hash } = SIGNATURE_ALGORITHMS[issuer.key.algorithm]
  if (!(await verifyOnPool(hash, tbsDer, issuer.certificate.publicKey.key, signature))) {
    throw new CrlBuildError(
      `the signer of issuer ${issuer.name} answered with a signature that its public key does not confirm`,
    )
  }
  const crlDer = assembleSigned(tbsDer, issuer.key.algorithm, signature)
  await readBack(crlDer, issuer, plan)
  return crlDer
}

async function encodeInChunks(entries: readonly RevokedEntry[]): Promise<Buffer[]> {
  const chunks: Buffer[] = []
  for (let at = 0; at < entries.length; at += CHUNK) {
    chunks.push(
      encodeRevokedEntries(
        entries.slice(at, at + CHUNK).map((entry) => ({ ...entry, revokedAt: toWholeSeconds(entry.revokedAt) })),
      ),
    )
    await nextTurn()
  }
  return chunks
}

async function readBack(crlDer: Buffer, issuer: Issuer, plan: CrlPlan): Promise<void> {
  const crl = parseCertList(crlDer)
  const idp = crl.issuingDistributionPoint
  const isAsPlanned =
    crl.number === plan.number &&
    crl.thisUpdate.getTime() === plan.thisUpdate.getTime() &&
    crl.nextUpdate.getTime() === plan.nextUpdate.getTime() &&
    crl.issuerDer.equals(issuer.certificate.subjectDer) &&
    issuer.certificate.subjectKeyId?.equals(crl.authorityKeyId) === true &&
    idp?.urls.length === 1 &&
    idp.urls[0] === issuer.crlUrl &&
    idp.onlyContainsUserCerts &&
    !idp.onlyContainsCaCerts
  if (!isAsPlanned) throw new CrlBuildError(`the CRL of issuer ${issuer.name} does not say what was planned`)
  let at = 0
  for (const found of crl.entries()) {
    const wanted = plan.entries[at]
    const isSame =
      wanted !== undefined &&
      found.serial === wanted.serial &&
      found.reason === wanted.reason &&
      found.revokedAt.getTime() === toWholeSeconds(wanted.revokedAt).getTime()
    if (!isSame) throw new CrlBuildError(`entry ${at + 1} of the CRL of issuer ${issuer.name} is not as planned`)
    if (++at % CHUNK === 0) await nextTurn()
  }
  if (at !== plan.entries.length)
    throw new CrlBuildError(`the CRL of issuer ${issuer.name} lists ${at} of ${plan.entries.length} certificates`)
}

function toWholeSeconds(at: Date): Date {
  return new Date(Math.floor(at.getTime() / 1000) * 1000)
}
