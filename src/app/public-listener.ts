import { createHash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { PlainAnswer, PlainRoute } from '../http/plain-route.ts'
import type { Clock } from '../lib/clock.ts'
import type { CrlRecord } from '../store/records.ts'

/** What everybody may fetch: trust anchor, issuing CA certificates, CRLs. */
export interface PublicFiles {
  readonly clock: Clock
  readonly rootPem: string
  readonly rootDer: Buffer
  /** Certificates of issuing CAs by issuer id. */
  readonly issuerDer: ReadonlyMap<string, Buffer>
  latestCrl(issuerId: string): Promise<CrlRecord | undefined>
  /** Caches may keep a CRL no longer than this, so that a revocation is seen in time. */
  readonly crlMaxAgeSeconds: number
}

/** How long one read of the newest CRL serves all who ask (KF-F22). */
const CRL_MEMORY_MS = 1_000

/** The routes of the plain HTTP listener for the public. */
export function publicRoutes(files: PublicFiles): PlainRoute[] {
  const newestCrl = rememberCrls(files)
  return [
    {
      path: '/root.pem',
      get: (_params, request) =>
        conditional(request, { contentType: 'application/x-pem-file', body: Buffer.from(files.rootPem) }, DAY),
    },
    {
      path: '/root.cer',
      get: (_params, request) =>
        conditional(request, { contentType: 'application/pkix-cert', body: files.rootDer }, DAY),
    },
    {
      path: '/issuer/:file',
      get: ({ file = '' }, request) => {
        const body = file.endsWith('.cer') ? files.issuerDer.get(file.slice(0, -4)) : undefined
        return body && conditional(request, { contentType: 'application/pkix-cert', body }, DAY)
      },
    },
    {
      path: '/crl/:file',
      get: async ({ file = '' }, request) => {
        const issuerId = file.endsWith('.crl') ? file.slice(0, -4) : ''
        const crl = files.issuerDer.has(issuerId) ? await newestCrl(issuerId) : undefined
        if (crl === undefined) return undefined
        const leftSeconds = Math.floor((crl.record.nextUpdate.getTime() - files.clock.now().getTime()) / 1000)
        const answer = {
          contentType: 'application/pkix-crl',
          body: crl.record.crlDer,
          etag: crl.etag,
          lastModified: crl.record.thisUpdate,
        }
        return conditional(request, answer, Math.min(files.crlMaxAgeSeconds, leftSeconds))
      },
    },
  ]
}

function rememberCrls(files: PublicFiles): (issuerId: string) => Promise<StoredCrl | undefined> {
  const remembered = new Map<string, { readAt: number; crl: Promise<StoredCrl | undefined> }>()
  return (issuerId) => {
    const now = files.clock.monotonicMs()
    const known = remembered.get(issuerId)
    if (known !== undefined && now - known.readAt < CRL_MEMORY_MS) return known.crl
    const crl = files
      .latestCrl(issuerId)
      .then((record) => (record === undefined ? undefined : { record, etag: etagOf(record.crlDer) }))
    remembered.set(issuerId, { readAt: now, crl })
    // A read that failed is not remembered.
    crl.catch(() => remembered.delete(issuerId))
    return crl
  }
}

const DAY = 86_400

interface StoredCrl {
  readonly record: CrlRecord
  readonly etag: string
}

const etagOf = (bytes: Uint8Array): string => `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 22)}"`

/** 304 when the client has it already (RFC 9110 §13.1): by entity tag, or by date when it sent no tag. */
function conditional(
  request: IncomingMessage,
  file: { contentType: string; body: Buffer; etag?: string; lastModified?: Date },
  maxAgeSeconds: number,
): PlainAnswer {
  const etag = file.etag ?? etagOf(file.body)
  const headers = {
    ETag: etag,
    'Cache-Control': maxAgeSeconds > 0 ? `public, max-age=${maxAgeSeconds}` : 'no-cache',
    ...(file.lastModified === undefined ? {} : { 'Last-Modified': file.lastModified.toUTCString() }),
  }
  const noneMatch = request.headers['if-none-match']
  const since = request.headers['if-modified-since']
  const unchanged =
    noneMatch !== undefined
      ? noneMatch === '*' || noneMatch.split(',').some((tag) => tag.trim().replace(/^W\//, '') === etag)
      : since !== undefined &&
        file.lastModified !== undefined &&
        Date.parse(since) >= Math.floor(file.lastModified.getTime() / 1000) * 1000
  return { status: unchanged ? 304 : 200, contentType: file.contentType, body: unchanged ? '' : file.body, headers }
}
