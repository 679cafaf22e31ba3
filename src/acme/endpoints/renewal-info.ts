import type { CertificateRecord } from '../../store/records.ts'
import type { AcmeDirectory, AcmeResponse, AcmeServices, Endpoint } from '../endpoint.ts'
import { requireEmptyPayload } from '../payload.ts'
import { AcmeError } from '../problem.ts'
import { renderInstant } from '../render/instant.ts'
import { parseCertificateId } from '../renewal/certificate-id.ts'
import { renewalWindow } from '../renewal/window.ts'
import type { PlainRead } from '../routes.ts'

/** Clients take no value outside of a minute to a day (RFC 9773 §4.3.2). */
const LEAST_RETRY_SECONDS = 60
const MOST_RETRY_SECONDS = 86_400
/** How much the wait of one client differs from that of another, so that those that asked together part. */
const RETRY_JITTER = 0.1
/** How long a cache in between may keep an answer: it must not hide a revocation for longer than a client's own wait. */
const MAX_AGE_SECONDS = 60

/** When to renew a certificate (RFC 9773 §4), for anybody who knows its identifier: no account, no nonce. */
export const readRenewalInfo: PlainRead = async ({ directory, services, params }) =>
  answer(params['id'] ?? '', { directory, services })

/** The same by POST-as-GET, which RFC 8555 §6.3 lets clients use for every resource; for this client, so not for caches. */
export const renewalInfo: Endpoint = async (request, services) => {
  requireEmptyPayload(request.payload, 'Renewal information')
  const { maxAgeSeconds: _, ...own } = await answer(request.params['id'] ?? '', {
    directory: request.directory,
    services,
  })
  return own
}

async function answer(
  text: string,
  { directory, services }: { directory: AcmeDirectory; services: AcmeServices },
): Promise<AcmeResponse> {
  const certificate = await find(text, { directory, services })
  const { clock, settings } = services
  const isIssuerReplaced = settings.renewalInfo.replacedIssuers.includes(certificate.issuerId)
  const { start, end } = renewalWindow(certificate, {
    now: clock.now(),
    isIssuerReplaced,
    shortage: services.shortage?.() ?? 0,
  })
  const { explanationUrl } = settings.renewalInfo
  const isUrgent = isIssuerReplaced || certificate.revokedAt !== undefined
  return {
    status: 200,
    retryAfterSeconds: retryAfter(certificate, services),
    maxAgeSeconds: MAX_AGE_SECONDS,
    body: {
      suggestedWindow: { start: renderInstant(start), end: renderInstant(end) },
      ...(isUrgent && explanationUrl !== undefined && { explanationURL: explanationUrl }),
    },
  }
}

/** @throws {AcmeError} 400 when the text names nothing that could be, 404 when there is no such certificate here */
async function find(
  text: string,
  { directory, services }: { directory: AcmeDirectory; services: AcmeServices },
): Promise<CertificateRecord> {
  const id = parseCertificateId(text)
  if (id === undefined) {
    throw new AcmeError(
      'malformed',
      'This is not a certificate identifier: it is the key identifier of the issuer and the serial, each as base64url ' +
        'without padding, with a dot in between (RFC 9773 §4.1)',
    )
  }
  const found = await services.store.certificates.find(id.issuerId, id.serial)
  if (found?.issuedAt === undefined || found.directory !== directory.name) {
    throw new AcmeError('malformed', 'There is no such certificate', { status: 404 })
  }
  return found
}

/** Often enough for a certificate's life, whatever is configured: a client must hear of a revocation before its end. */
function retryAfter(certificate: CertificateRecord, { random, settings }: AcmeServices): number {
  const lifeSeconds = (certificate.notAfter.getTime() - certificate.notBefore.getTime()) / 1000
  const wanted = Math.min(settings.renewalInfo.retryAfterSeconds, lifeSeconds / 10)
  const jitter = 1 + RETRY_JITTER * ((random.bytes(2).readUInt16BE() / 0xffff) * 2 - 1)
  return Math.min(MOST_RETRY_SECONDS, Math.max(LEAST_RETRY_SECONDS, Math.round(wanted * jitter)))
}
