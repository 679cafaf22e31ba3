import type { Admission } from '../http/admission.ts'
import { checkRequest } from '../http/check-request.ts'
import type { Exchange } from '../http/exchange.ts'
import { readBody } from '../http/read-body.ts'
import { ClientGone, HttpRefusal } from '../http/refusal.ts'
import { send } from '../http/respond.ts'
import { spread } from '../http/returning-crowd.ts'
import type { RequestId } from '../lib/ids.ts'
import { newId } from '../lib/ids.ts'
import type { ClientAddress } from '../limits/client-address.ts'
import { AcmeRequest } from './acme-request.ts'
import type { AcmeResponse, AcmeServices, AuthenticatedRequest } from './endpoint.ts'
import type { AuthenticationContext } from './jws/authenticate.ts'
import { authenticate, checkContentType } from './jws/authenticate.ts'
import { AcmeError } from './problem.ts'
import { rateLimited } from './rate-limited.ts'
import { logRequest } from './request-log.ts'
import type { AnswerContext, WireAnswer } from './respond.ts'
import { CORS_HEADERS, renderProblem, renderResponse, toAcmeError } from './respond.ts'
import type { AcmeRoute } from './routes.ts'

/** A directory with what serving it needs, made once. */
export interface ServedDirectory extends AuthenticationContext {
  readonly services: AcmeServices
  readonly admission: Admission
  readonly maxBodyBytes: number
}

/** A route, or undefined where there is nothing: that is answered with a nonce and an index link too (CQ-N03). */
export type ServedRoute = AcmeRoute | undefined

/** Answers one request, whatever happens: the error boundary of the ACME front end (KF-F14). */
export async function serve(exchange: Exchange, route: ServedRoute, directory: ServedDirectory): Promise<void> {
  const { services } = directory
  const startedMs = services.clock.monotonicMs()
  const requestId = newId(services.random, 'request', services.clock.now())
  const context: AnswerContext = {
    nonce: services.nonces.issue(),
    index: route?.name === 'directory' ? undefined : directory.directory.urls.directory,
    spread: (seconds) => spread(seconds, services.random),
  }
  const from = services.limits.addressOf(exchange.request)
  const entry = {
    exchange,
    remoteAddress: from.text,
    endpoint: route?.name ?? 'none',
    directory: directory.directory.name,
    requestId,
  }
  let request: AuthenticatedRequest | undefined
  let answer: WireAnswer
  let leave: (() => void) | undefined
  try {
    const limited = services.limits.request(from, route?.name ?? 'none')
    if (limited !== undefined) throw rateLimited(limited, services.limits)
    checkRequest(exchange)
    if (route === undefined) throw new HttpRefusal(404, nothingHere(directory))
    if (exchange.method === 'OPTIONS') return send(exchange, 204, preflightHeaders(route))
    let response: AcmeResponse
    if (exchange.method === 'POST') {
      const body = await signedBody(exchange, directory)
      // Who is refused here may send the same request again: its signature was not read, nor its nonce spent.
      leave = await directory.admission.enter(route.begins ? 'begin' : 'finish', {
        bytes: body.length,
        isGone: () => exchange.response.destroyed,
      })
      request = await authenticated(body, { exchange, route, requestId, from }, directory)
      response = await route.post(request, services)
    } else {
      response = await read(exchange, route, directory)
    }
    answer = renderResponse(response, context)
    logRequest({ ...entry, request, response }, services)
  } catch (thrown) {
    if (thrown instanceof ClientGone)
      return services.log.debug('acme.client_gone', { requestId, endpoint: entry.endpoint })
    const problem = toAcmeError(thrown)
    if (request === undefined && exchange.method === 'POST' && isOfNobody(problem))
      services.limits.notAuthenticated(from)
    if (problem.type === 'badNonce') services.nonces.spare(context.nonce)
    answer = renderProblem(problem, requestId, context)
    logRequest({ ...entry, request, problem }, services)
  } finally {
    leave?.()
  }
  send(exchange, answer.status, answer.headers, answer.body)
  const seconds = (services.clock.monotonicMs() - startedMs) / 1000
  services.metrics.observe('chancery_http_request_seconds', seconds, { endpoint: entry.endpoint })
}

function nothingHere({ directory }: ServedDirectory): string {
  return `There is nothing at this path; begin at the directory, ${directory.urls.directory}`
}

interface SignedExchange {
  readonly exchange: Exchange
  readonly route: AcmeRoute
  readonly requestId: RequestId
  readonly from: ClientAddress
}

async function signedBody(exchange: Exchange, { maxBodyBytes }: ServedDirectory): Promise<Buffer> {
  checkContentType(exchange.request.headers['content-type'])
  return readBody(exchange, maxBodyBytes)
}

async function authenticated(
  body: Buffer,
  { exchange, route, requestId, from }: SignedExchange,
  context: ServedDirectory,
): Promise<AuthenticatedRequest> {
  const facts = await authenticate(body, { signer: route.signer, target: exchange.target }, context)
  return new AcmeRequest({
    requestId,
    directory: context.directory,
    from,
    exchange,
    log: context.services.log,
    ...facts,
  })
}

/** A stale nonce is an everyday thing, and says nothing bad of who sent it; neither does a failure of ours. */
function isOfNobody({ type, status }: AcmeError): boolean {
  return status < 500 && type !== 'badNonce' && type !== 'rateLimited'
}

function read(
  exchange: Exchange,
  route: AcmeRoute,
  { directory, services }: ServedDirectory,
): AcmeResponse | Promise<AcmeResponse> {
  const { method } = exchange
  if ((method === 'GET' || method === 'HEAD') && route.get !== undefined) {
    return route.get({ directory, services, method, params: exchange.params, accept: exchange.request.headers.accept })
  }
  const hint =
    method === 'GET' || method === 'HEAD'
      ? ', which reads by POST-as-GET: a signed POST with an empty payload (RFC 8555 §6.3)'
      : ''
  throw new AcmeError('malformed', `${method} is not possible here; the method of this resource is POST${hint}`, {
    status: 405,
    allow: allowedMethods(route),
  })
}

/** RFC 8555 §6.1: scripts in browsers may be clients. */
function preflightHeaders(route: AcmeRoute): string[] {
  const methods = allowedMethods(route).join(', ')
  return [
    ...CORS_HEADERS,
    'Allow',
    methods,
    'Access-Control-Allow-Methods',
    methods,
    'Access-Control-Allow-Headers',
    'Content-Type',
    'Access-Control-Max-Age',
    '86400',
  ]
}

function allowedMethods(route: AcmeRoute): readonly string[] {
  return route.get === undefined ? ['POST', 'OPTIONS'] : ['GET', 'HEAD', 'POST', 'OPTIONS']
}
