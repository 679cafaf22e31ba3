import type { IncomingMessage } from 'node:http'
import type { Logger } from '../observe/log.ts'
import { checkRequest } from './check-request.ts'
import type { Exchange } from './exchange.ts'
import { HttpRefusal } from './refusal.ts'
import { send } from './respond.ts'
import type { HttpRoute } from './server.ts'

/** A public resource that is read by GET and HEAD without authentication, such as `/root.pem` or a CRL. */
export interface PlainRoute {
  /** A path template of the router, such as `/crl/:issuer`. */
  readonly path: string
  /** The answer now; undefined means 404. What it throws becomes a 500 that tells nothing. */
  get(
    params: Readonly<Record<string, string>>,
    request: IncomingMessage,
  ): PlainAnswer | undefined | Promise<PlainAnswer | undefined>
}

export interface PlainAnswer {
  /** Default 200. A 304 goes out without a body. */
  readonly status?: number
  readonly contentType: string
  readonly body: string | Buffer
  /** Further headers, in the spelling of the wire. */
  readonly headers?: Readonly<Record<string, string>>
}

/**
 * @param limited the seconds after which a request that comes too soon may come again; undefined: it may be answered
 */
export function plainRoute(
  route: PlainRoute,
  log: Logger,
  limited: (exchange: Exchange) => number | undefined = () => undefined,
): HttpRoute {
  return {
    path: route.path,
    async handle(exchange) {
      try {
        const seconds = limited(exchange)
        if (seconds !== undefined) return sendTooMany(exchange, seconds)
        checkRequest(exchange)
        if (exchange.method !== 'GET' && exchange.method !== 'HEAD') {
          throw new HttpRefusal(405, 'This resource is read by GET or HEAD', { allow: ['GET', 'HEAD'] })
        }
        const answer = await route.get(exchange.params, exchange.request)
        if (answer === undefined) throw new HttpRefusal(404, 'There is nothing at this path')
        const headers = ['Content-Type', answer.contentType]
        for (const [name, value] of Object.entries(answer.headers ?? {})) headers.push(name, value)
        send(exchange, answer.status ?? 200, headers, answer.body)
      } catch (error) {
        sendPlainProblem(exchange, error, log)
      }
    },
  }
}

function sendTooMany(exchange: Exchange, seconds: number): void {
  const detail = `Too many requests from this network address; come back in ${seconds} seconds`
  sendProblem(exchange, { status: 429, detail }, ['Retry-After', String(seconds)])
}

/** Answers what no plain route takes. For listeners that have nothing but plain routes. */
export async function plainNotFound(exchange: Exchange): Promise<void> {
  sendRefusal(exchange, new HttpRefusal(404, 'There is nothing at this path'))
}

/** A problem document (RFC 9457) for an `HttpRefusal`; anything else is logged and becomes a bare 500 (KF-F21). */
export function sendPlainProblem(exchange: Exchange, error: unknown, log: Logger): void {
  if (error instanceof HttpRefusal) {
    sendRefusal(exchange, error)
    return
  }
  log.error('http.request_failed', { path: exchange.path.slice(0, 200), error })
  sendProblem(exchange, { status: 500, detail: 'The server could not finish this request' }, [])
}

function sendRefusal(exchange: Exchange, refusal: HttpRefusal): void {
  const headers = refusal.allow === undefined ? [] : ['Allow', refusal.allow.join(', ')]
  sendProblem(exchange, { status: refusal.status, detail: refusal.message }, headers)
}

function sendProblem(exchange: Exchange, problem: { status: number; detail: string }, headers: string[]): void {
  headers.push('Content-Type', 'application/problem+json', 'Cache-Control', 'no-store')
  send(exchange, problem.status, headers, JSON.stringify({ type: 'about:blank', ...problem }))
}
