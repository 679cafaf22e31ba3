import type { CertificateRecord } from '../../store/records.ts'
import { parseCertificate } from '../../x509/certificate.ts'
import { preferredCertificateType } from '../certificate-type.ts'
import type { AcmeResponse, AcmeServices, Endpoint } from '../endpoint.ts'
import { accountOf, notFound } from '../find-owned.ts'
import { requireEmptyPayload } from '../payload.ts'
import type { DirectoryUrls } from '../urls.ts'
import { verifiedChain } from '../verified-chain.ts'

/**
 * Delivers a certificate of the account (RFC 8555 §7.4.2): the stored bytes, never encoded again (CQ-C03), also after
 * revocation. Alternate chains have numbers from 1; every one names all the others.
 */
export const certificate: Endpoint = async (request, services) => {
  const serial = request.params['serial'] ?? ''
  const found = isSerial(serial)
    ? await services.store.certificates.findForAccount(request.directory.name, accountOf(request).id, serial)
    : undefined
  if (found?.certificateDer === undefined) throw notFound('certificate')
  requireEmptyPayload(request.payload, 'A certificate')
  const response = certificateResponse(found, {
    alternate: request.params['alternate'],
    accept: request.accept,
    urls: request.directory.urls,
    services,
  })
  request.log.info('certificate.downloaded', { serial, orderId: found.orderId, alternate: request.params['alternate'] })
  return response
}

/**
 * The certificate as asked for; also for the unauthenticated GET that a setting may allow (CQ-C07).
 *
 * @param context.alternate number of an alternate chain as it stands in the URL; absent for the default chain
 * @throws {AcmeError} when there is no such alternate
 */
export function certificateResponse(
  found: CertificateRecord,
  context: {
    readonly alternate: string | undefined
    readonly accept: string | undefined
    readonly urls: DirectoryUrls
    readonly services: Pick<AcmeServices, 'chainsPem'>
  },
): AcmeResponse {
  const { alternate, urls } = context
  const chains = context.services.chainsPem(found.issuerId) ?? []
  const number = alternate === undefined ? 0 : alternateNumber(alternate)
  const chain = chains[number]
  if (chain === undefined && number > 0) throw notFound('certificate')
  const { leafDer, pem } = verifiedChain(found, chain)
  const type = preferredCertificateType(context.accept)
  const alternates = chains.flatMap((_, index) =>
    index === number
      ? []
      : [{ url: urls.certificate(found.serial, index === 0 ? undefined : index), rel: 'alternate' as const }],
  )
  if (type === 'application/pkix-cert') {
    const [issuerUrl] = parseCertificate(leafDer).authorityInfoAccess?.caIssuers ?? []
    const up = issuerUrl === undefined ? [] : [{ url: issuerUrl, rel: 'up' as const }]
    return { status: 200, links: [...up, ...alternates], body: { contentType: type, bytes: leafDer } }
  }
  return { status: 200, links: alternates, body: { contentType: type, bytes: Buffer.from(pem, 'ascii') } }
}

function alternateNumber(text: string): number {
  return /^[1-9]\d?$/.test(text) ? Number(text) : Number.POSITIVE_INFINITY
}

/** Lower-case hex of 1 to 20 octets (RFC 5280 §4.1.2.2). */
function isSerial(text: string): boolean {
  return /^(?:[0-9a-f]{2}){1,20}$/.test(text)
}
