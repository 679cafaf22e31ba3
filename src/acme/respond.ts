import { Busy } from '../http/admission.ts'
import { HttpRefusal } from '../http/refusal.ts'
import type { RequestId } from '../lib/ids.ts'
import { StoreError } from '../store/store.ts'
import type { AcmeResponse } from './endpoint.ts'
import { AcmeError } from './problem.ts'

const URN = 'urn:ietf:params:acme:error:'
/** How long to wait before the store is tried again. */
const STORE_RETRY_SECONDS = { busy: 5, full: 60 } as const

/** An answer on its way to the wire. Header names are spelled as RFC 8555 spells them (CQ-T01). */
export interface WireAnswer {
  readonly status: number
  /** Flat: name, value, name, value. */
  readonly headers: string[]
  readonly body: string | Buffer
}

/** What every answer has. */
export interface AnswerContext {
  readonly nonce: string
  /** URL of the directory, or undefined when the answer is the directory (RFC 8555 §7.1). */
  readonly index: string | undefined
  /** Makes those who are sent away together return one by one. */
  readonly spread: (seconds: number) => number
}

export function renderResponse(response: AcmeResponse, context: AnswerContext): WireAnswer {
  const headers =
    response.maxAgeSeconds === undefined ? commonHeaders(context) : cacheableHeaders(response.maxAgeSeconds, context)
  if (response.location !== undefined) headers.push('Location', response.location)
  addLinks(headers, response.links)
  addRetryAfter(headers, response.retryAfterSeconds)
  const { body } = response
  if (body === undefined) return { status: response.status, headers, body: '' }
  if ('contentType' in body) {
    headers.push('Content-Type', body.contentType as string)
    return { status: response.status, headers, body: (body as { bytes: Buffer }).bytes }
  }
  headers.push('Content-Type', 'application/json')
  return { status: response.status, headers, body: JSON.stringify(body) }
}

/**
 * A problem document (RFC 8555 §6.7) with type, detail and status always (CQ-T11). The detail ends in a reference by
 * which the operator finds the request, except that of `badNonce`, which is for programs.
 */
export function renderProblem(error: AcmeError, requestId: RequestId, context: AnswerContext): WireAnswer {
  const headers = commonHeaders(context)
  const { location, links, allow, retryAfterSeconds, instance, algorithms, subproblems } = error.options
  if (location !== undefined) headers.push('Location', location)
  addLinks(headers, links)
  const isCrowd = error.status === 503 && retryAfterSeconds !== undefined
  addRetryAfter(headers, isCrowd ? context.spread(retryAfterSeconds) : retryAfterSeconds)
  if (allow !== undefined) headers.push('Allow', allow.join(', '))
  headers.push('Content-Type', 'application/problem+json')
  const body = {
    type: URN + error.type,
    detail: detailOf(error, requestId),
    status: error.status,
    ...(instance !== undefined && { instance }),
    ...(algorithms !== undefined && { algorithms }),
    ...(subproblems !== undefined &&
      subproblems.length > 0 && {
        subproblems: subproblems.map(({ type, detail, identifier }) => ({
          type: URN + type,
          detail,
          ...(identifier && { identifier: { type: identifier.type, value: identifier.value } }),
        })),
      }),
  }
  return { status: error.status, headers, body: JSON.stringify(body) }
}

/**
 * The one bridge from what was thrown to what the requester learns: unknown errors tell nothing (KF-F21). The cause is
 * kept for the log.
 */
export function toAcmeError(error: unknown): AcmeError {
  if (error instanceof AcmeError) return error
  if (error instanceof HttpRefusal) {
    return new AcmeError('malformed', error.message, {
      status: error.status,
      ...(error.allow && { allow: error.allow }),
    })
  }
  if (error instanceof Busy) {
    return new AcmeError(
      'serverInternal',
      'The server has more work than it can do; send the same request again later',
      {
        status: 503,
        retryAfterSeconds: error.retryAfterSeconds,
        isBusy: true,
      },
    )
  }
  if (error instanceof StoreError && (error.code === 'full' || error.code === 'busy')) {
    return new AcmeError('serverInternal', 'The server cannot store anything at this time; try again later', {
      status: 503,
      retryAfterSeconds: STORE_RETRY_SECONDS[error.code],
      cause: error,
    })
  }
  return new AcmeError('serverInternal', 'The server could not finish this request', { cause: error })
}

/** Read by scripts in browsers (RFC 8555 §6.1); answers to a preflight have no nonce. */
export const CORS_HEADERS = [
  'Access-Control-Allow-Origin',
  '*',
  'Access-Control-Expose-Headers',
  'Link, Replay-Nonce, Location, Retry-After',
] as const

function commonHeaders({ nonce, index }: AnswerContext): string[] {
  return [...CORS_HEADERS, 'Cache-Control', 'no-store', 'Replay-Nonce', nonce, ...indexLink(index)]
}

/** A nonce is for one client, so an answer that a cache may hand to many has none (KF-F22). */
function cacheableHeaders(maxAgeSeconds: number, { index }: AnswerContext): string[] {
  return [...CORS_HEADERS, 'Cache-Control', `public, max-age=${maxAgeSeconds}`, ...indexLink(index)]
}

function indexLink(index: string | undefined): string[] {
  return index === undefined ? [] : ['Link', `<${index}>;rel="index"`]
}

/** One line for each relation (CQ-T12). */
function addLinks(headers: string[], links: readonly { url: string; rel: string }[] = []): void {
  for (const { url, rel } of links) headers.push('Link', `<${url}>;rel="${rel}"`)
}

/** Whole seconds, at least one (CQ-F04). */
function addRetryAfter(headers: string[], seconds: number | undefined): void {
  if (seconds !== undefined) headers.push('Retry-After', String(Math.max(1, Math.ceil(seconds))))
}

function detailOf(error: AcmeError, requestId: RequestId): string {
  if (error.type === 'badNonce' || error.message.includes(requestId)) return error.message
  return `${error.message} (reference ${requestId})`
}
