import type { Server as HttpServer, IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import type { Server as HttpsServer } from 'node:https'
import { createServer as createHttpsServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { Server as NetServer } from 'node:net'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import Fastify from 'fastify'
import type { Config } from '../config/schema.ts'
import { systemClock } from '../lib/clock.ts'
import { createServer as createHttpServer } from '../lib/node-http.ts'
import { threadCpuMs } from '../lib/thread-cpu.ts'
import type { Logger } from '../observe/log.ts'
import type { Metrics } from '../observe/metrics.ts'
import { AddressLimit } from './address-limit.ts'
import { answerClientError } from './client-error.ts'
import type { Exchange } from './exchange.ts'
import { isCanonicalPath, originForm } from './exchange.ts'
import { HandshakeGate } from './handshake-gate.ts'
import { SILENCE_MS, setIdleTime } from './idle-time.ts'
import { send } from './respond.ts'

const HANDSHAKE_MS = 10_000
const HEADERS_MS = 15_000
/** While draining, an idle connection stays this long, so that a request already on its way is answered. */
const DRAIN_IDLE_MS = 250
const MAX_HEADER_BYTES = 16_384
/** How often overdue requests are looked for. */
const CHECK_MS = 1_000

/** TLS 1.2 and newer, forward secrecy and authenticated encryption only (RFC 8555 §6.1, BCP 195: RFC 9325 §4.2). */
const TLS_PARAMETERS = {
  minVersion: 'TLSv1.2',
  ciphers: 'TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256:ECDHE+AESGCM:ECDHE+CHACHA20',
} as const

export interface HttpRoute {
  /** A path template of the router, such as `/crl/:issuer`. */
  readonly path: string
  /** Answers every method of the path. Expected not to reject. */
  handle(exchange: Exchange): Promise<void>
}

/** Private key and certificate chain, leaf first, both PEM. */
export interface TlsMaterial {
  readonly key: string
  readonly cert: string
}

export interface HttpListenerOptions {
  /** For the log. */
  readonly name: string
  /** HTTPS when given, else plain HTTP. */
  readonly tls?: TlsMaterial
  readonly limits: Pick<
    Config['limits'],
    'enabled' | 'connections' | 'connectionsPerAddress' | 'requestTimeout' | 'handshakes'
  >
  readonly routes: readonly HttpRoute[]
  /** Answers what no route takes. Expected not to reject. */
  readonly otherwise: (exchange: Exchange) => Promise<void>
  readonly log: Logger
  readonly metrics: Metrics
  /** Told when the listening socket fails after it listened; the process should end (KF-E14). Absent: logged only. */
  readonly onFailure?: (error: Error) => void
}

export interface HttpListener {
  /** Resolves once connections are accepted. @throws {Error} of the system, such as EADDRINUSE */
  listen(host: string, port: number): Promise<AddressInfo>
  /** Stops accepting, lets requests under way end, and resolves when no connection is left. */
  drain(): Promise<void>
  /** Drains without patience: every connection is cut. */
  close(): Promise<void>
  /** Takes a renewed certificate into use for new connections. @throws {Error} when the two do not fit */
  setSecureContext(tls: TlsMaterial): void
}

/** A bounded HTTP/1.1 listener (KF-F01, F02, F16, F17): Fastify routes, over a server whose every limit is set here. */
export function createHttpListener(options: HttpListenerOptions): HttpListener {
  const state = { isDraining: false }
  /** Connections that speak HTTP, and below them those of TCP, some still in their TLS handshake. */
  const open = new Set<Socket>()
  const accepted = new Set<Socket>()
  const underWay = new WeakMap<Socket, { request: IncomingMessage; response: ServerResponse }>()
  const awaitingContinue = new WeakSet<IncomingMessage>()
  let server!: HttpServer | HttpsServer

  const app = Fastify({
    // Both kinds of server have all that Fastify uses; its types know only one at a time.
    serverFactory: (handler) => {
      server = createNodeServer(byPathAlone(handler), options.tls)
      return server as HttpServer
    },
    logger: false,
    trustProxy: false,
    requestIdHeader: false,
    exposeHeadRoutes: false,
    // No route has a schema, so the compilers of schemas need not be loaded.
    schemaController: { compilersFactory: { buildValidator: noSchemas, buildSerializer: noSchemas } },
    routerOptions: { maxParamLength: 200, querystringParser: () => NO_QUERY },
    clientErrorHandler: (error, socket) => answerClientError(error, socket, underWay.get(socket)),
    frameworkErrors: (_error, request, reply) => run(options.otherwise, request, reply),
  })

  const run = (handle: (exchange: Exchange) => Promise<void>, request: FastifyRequest, reply: FastifyReply): void => {
    reply.hijack()
    const exchange = exchangeOf(request, reply, state, awaitingContinue)
    const { socket } = exchange.request
    underWay.set(socket, exchange)
    // It may have been given a shorter time while it was idle.
    setIdleTime(socket, SILENCE_MS)
    handle(exchange).catch((error: unknown) => {
      options.log.error('http.handler_failed', { listener: options.name, error })
      send(exchange, 500, [])
    })
  }

  addRoutes(app, options, run)
  server.on('connection', (socket: Socket) => remember(socket, accepted))
  server.on(options.tls === undefined ? 'connection' : 'secureConnection', (socket: Socket) => {
    remember(socket, open)
    if (state.isDraining) socket.setTimeout(DRAIN_IDLE_MS)
  })
  limitConnections(server, options)
  if (options.tls !== undefined) gateHandshakes(server, options)
  answerExpectations(server, byPathAlone(app.routing), awaitingContinue)

  return {
    async listen(host, port) {
      await app.ready()
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject)
        server.listen(port, host, () => {
          server.off('error', reject)
          resolve()
        })
      })
      server.on('error', (error) => {
        options.log.error('http.listener_failed', { listener: options.name, error })
        options.onFailure?.(error)
      })
      return server.address() as AddressInfo
    },
    async drain() {
      state.isDraining = true
      const ended = stopAccepting(server)
      for (const socket of open) {
        if (underWay.get(socket)?.response.writableFinished !== false) socket.setTimeout(DRAIN_IDLE_MS)
      }
      await ended
    },
    async close() {
      state.isDraining = true
      const ended = stopAccepting(server)
      server.closeAllConnections()
      for (const socket of accepted) socket.destroy()
      await ended
      // Ends the timer that checks for slow requests; the server itself is closed already.
      server.close(() => {})
    },
    setSecureContext(tls) {
      if (!('setSecureContext' in server)) throw new Error(`The listener ${options.name} is plain HTTP`)
      server.setSecureContext({ ...tls, ...TLS_PARAMETERS })
    },
  }
}

function remember(socket: Socket, among: Set<Socket>): void {
  among.add(socket)
  socket.once('close', () => among.delete(socket))
}

const NO_QUERY = Object.freeze({})

function noSchemas(): never {
  throw new Error('no route of ours has a schema')
}

function createNodeServer(handler: RequestListener, tls: TlsMaterial | undefined): HttpServer | HttpsServer {
  const common = {
    maxHeaderSize: MAX_HEADER_BYTES,
    insecureHTTPParser: false,
    // Asked for by `checkRequest`, whose refusal is a problem document.
    requireHostHeader: false,
    connectionsCheckingInterval: CHECK_MS,
  }
  if (tls === undefined) return createHttpServer(common, handler)
  const secure = { ...tls, ...TLS_PARAMETERS, ALPNProtocols: ['http/1.1'], handshakeTimeout: HANDSHAKE_MS }
  return createHttpsServer({ ...common, ...secure }, handler)
}

/** Puts a gate between a connection that is within the limits and what TLS does on it. */
function gateHandshakes(server: HttpServer | HttpsServer, { limits, metrics }: HttpListenerOptions): void {
  const startTls = server.listeners('connection')[0] as ((socket: Socket) => void) | undefined
  if (startTls === undefined) throw new Error('a TLS server listens to its own connections')
  const gate = new HandshakeGate({
    begin: (socket) => startTls.call(server, socket),
    patienceMs: HANDSHAKE_MS / 2,
    maxWaiting: limits.handshakes,
    monotonicMs: () => systemClock.monotonicMs(),
    cpuMs: threadCpuMs,
    onEnd: (outcome, waitedMs) => {
      metrics.count('chancery_handshakes_total', { outcome })
      metrics.set('chancery_queue_length', gate.waiting, { queue: 'handshakes' })
      if (outcome === 'begun') metrics.observe('chancery_queue_wait_seconds', waitedMs / 1000, HANDSHAKE_QUEUE)
    },
  })
  server.off('connection', startTls)
  server.on('connection', (socket: Socket) => {
    if (!socket.destroyed) gate.enter(socket)
  })
}

const HANDSHAKE_QUEUE = { queue: 'handshakes', kind: 'begin' } as const

/** What every request is for the router; the method that came is kept beside it. */
const ROUTED_AS = 'GET'
const METHOD_SENT = Symbol('method sent')

interface RoutedRequest extends IncomingMessage {
  [METHOD_SENT]?: string
}

/**
 * Each path takes every method, so that the route itself can answer 405. So the router is asked for the path alone: a
 * table of every path under each of thirty-five methods would be a tenth of the time to start.
 */
function byPathAlone(handler: RequestListener): RequestListener {
  return (request: RoutedRequest, response) => {
    request[METHOD_SENT] = request.method ?? ''
    request.method = ROUTED_AS
    handler(request, response)
  }
}

/**
 * The answer is given in `onRequest`: what Fastify does after it (content types, body, schemas) is not wanted here, and is
 * half of its cost.
 */
function addRoutes(
  app: FastifyInstance,
  options: HttpListenerOptions,
  run: (handle: (exchange: Exchange) => Promise<void>, request: FastifyRequest, reply: FastifyReply) => void,
): void {
  const add = (path: string, handle: (exchange: Exchange) => Promise<void>): void => {
    app.route({
      method: ROUTED_AS,
      url: path,
      onRequest: (request, reply) => run(handle, request, reply),
      handler: () => {
        throw new Error('answered in onRequest')
      },
    })
  }
  for (const route of options.routes) {
    // The router decodes what it matches, so it would take other spellings of a path for this one (KF-F19).
    add(route.path, (exchange) =>
      isCanonicalPath(exchange.path) ? route.handle(exchange) : options.otherwise(exchange),
    )
  }
  add('/*', options.otherwise)
  // Only what is not a path at all, such as `OPTIONS *`, comes here.
  app.setNotFoundHandler((request, reply) => run(options.otherwise, request, reply))
}

function exchangeOf(
  request: FastifyRequest,
  reply: FastifyReply,
  state: { readonly isDraining: boolean },
  awaitingContinue: WeakSet<IncomingMessage>,
): Exchange {
  const raw: RoutedRequest = request.raw
  const target = originForm(raw.url ?? '')
  const mark = target.indexOf('?')
  return {
    request: raw,
    response: reply.raw,
    method: raw[METHOD_SENT] ?? '',
    target,
    path: mark === -1 ? target : target.slice(0, mark),
    query: mark === -1 ? '' : target.slice(mark + 1),
    params: (request.params ?? NO_QUERY) as Readonly<Record<string, string>>,
    awaitsContinue: awaitingContinue.has(raw),
    isDraining: () => state.isDraining,
  }
}

function limitConnections(server: HttpServer | HttpsServer, options: HttpListenerOptions): void {
  const { limits } = options
  // Two timers for each request, where one for the connection does.
  server.keepAliveTimeout = 0
  server.headersTimeout = Math.min(HEADERS_MS, limits.requestTimeout * 1000)
  server.requestTimeout = limits.requestTimeout * 1000
  server.timeout = SILENCE_MS
  // What a header may hold is bounded in bytes; a bound in number would drop the rest unseen.
  server.maxHeadersCount = 0
  server.maxConnections = limits.connections
  if (limits.enabled) {
    const perAddress = new AddressLimit(limits.connectionsPerAddress)
    server.on('connection', (socket: Socket) => {
      const release = perAddress.take(socket.remoteAddress ?? '')
      if (release === undefined) socket.destroy()
      else socket.once('close', release)
    })
  }
}

/** `100 Continue` is sent when, and only when, somebody asked and the body is about to be read (CQ-T13). */
function answerExpectations(
  server: HttpServer | HttpsServer,
  routing: RequestListener,
  awaitingContinue: WeakSet<IncomingMessage>,
): void {
  const route = (request: IncomingMessage, response: ServerResponse): void => {
    awaitingContinue.add(request)
    routing(request, response)
  }
  server.on('checkContinue', route)
  // Any other expectation: routes refuse what they see in `expect`, and none of them sends 100 for it.
  server.on('checkExpectation', route)
}

/** `server.close()` would cut idle connections at once, under requests that are already on their way (CQ-T02). */
function stopAccepting(server: HttpServer | HttpsServer): Promise<void> {
  return new Promise((resolve) => {
    NetServer.prototype.close.call(server, () => resolve())
  })
}
