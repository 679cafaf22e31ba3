import type { Config } from '../config/schema.ts'
import { Admission } from '../http/admission.ts'
import type { Exchange } from '../http/exchange.ts'
import type { PlainRoute } from '../http/plain-route.ts'
import { plainRoute } from '../http/plain-route.ts'
import type { HttpListener, HttpRoute, TlsMaterial } from '../http/server.ts'
import { createHttpListener } from '../http/server.ts'
import type { Limits } from '../limits/limits.ts'
import type { AcmeDirectory, AcmeServices } from './endpoint.ts'
import { KeyCache } from './jws/key-cache.ts'
import { createPollPace } from './poll-interval.ts'
import type { AcmeRoute } from './routes.ts'
import { acmeRoutes, defaultDirectoryRoutes } from './routes.ts'
import type { ServedDirectory } from './serve.ts'
import { serve } from './serve.ts'
import { directoryUrls } from './urls.ts'

export interface AcmeListenerOptions {
  /** At least one. The one named `default`, else the first, answers where no directory is named. */
  readonly directories: readonly AcmeDirectory[]
  readonly services: AcmeServices
  /** Every URL handed out begins with it. A path in it is for a proxy that takes it off again. */
  readonly publicUrl: string
  readonly formerPublicUrls: readonly string[]
  readonly limits: Config['limits']
  readonly tls: TlsMaterial
  /** Further resources by plain GET, such as `/root.pem`. */
  readonly extraRoutes?: readonly PlainRoute[]
  /** See `HttpListenerOptions.onFailure`. */
  readonly onFailure?: (error: Error) => void
}

/** The ACME front end over HTTPS (RFC 8555 §6.1). */
export function createAcmeListener(options: AcmeListenerOptions): HttpListener {
  const { limits } = options
  const admission = createAdmission(options)
  const services: AcmeServices = {
    ...options.services,
    pollSeconds: createPollPace(admission, options.services),
    shortage: () => admission.shortage,
  }
  const keys = new KeyCache()
  const bases = [options.publicUrl, ...options.formerPublicUrls].map((base) => base.replace(/\/+$/, ''))
  const served = options.directories.map(
    (directory): ServedDirectory => ({
      directory,
      bases,
      accountPrefixes: bases.map((base) => directoryUrls(base, directory.name).account('')),
      services,
      keys,
      admission,
      maxBodyBytes: limits.bodyBytes,
    }),
  )
  const standard = served.find(({ directory }) => directory.name === 'default') ?? served[0]
  if (standard === undefined) throw new Error('The ACME listener needs at least one directory')

  const routes = [
    ...served.flatMap((directory) =>
      acmeRoutes(directory.directory.name, services.settings).map((route) => httpRoute(route, directory)),
    ),
    ...defaultDirectoryRoutes().map((route) => httpRoute(route, standard)),
    ...(options.extraRoutes ?? []).map((route) =>
      plainRoute(route, services.log, (exchange) => plainLimit(exchange, services.limits)),
    ),
  ]
  return createHttpListener({
    name: 'acme',
    tls: options.tls,
    limits,
    routes,
    otherwise: (exchange) => serve(exchange, undefined, directoryOfPath(exchange, served) ?? standard),
    log: services.log,
    metrics: services.metrics,
    ...(options.onFailure && { onFailure: options.onFailure }),
  })
}

/** Nothing new is begun while a queue behind the front end is full. */
function createAdmission({ services, limits }: AcmeListenerOptions): Admission {
  const { store, enrollment, validation, clock, metrics, log } = services
  const pressures = () => [
    { queue: 'store', fullness: store.pressure() },
    { queue: 'issuance', fullness: enrollment.pressure() },
    { queue: 'validation', fullness: validation.pressure() },
  ]
  return new Admission({
    newWorkDelayMs: limits.queueDelayMs,
    maxUnderWay: limits.requests,
    maxWaiting: limits.queueLength,
    clock,
    metrics,
    log,
    pressures,
  })
}

function httpRoute(route: AcmeRoute, directory: ServedDirectory): HttpRoute {
  return { path: route.path, handle: (exchange) => serve(exchange, route, directory) }
}

/** Public reads by anybody are limited by their network address alone (KF-F22). */
export function plainLimit(exchange: Exchange, limits: Limits): number | undefined {
  return limits.request(limits.addressOf(exchange.request), 'plain')?.retryAfterSeconds
}

/** So that the index link of a 404 leads to the directory the client was in. */
function directoryOfPath({ path }: Exchange, served: readonly ServedDirectory[]): ServedDirectory | undefined {
  return served.find(({ directory }) => path.startsWith(`/acme/${directory.name}/`))
}
