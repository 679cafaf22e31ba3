import { readFile } from 'node:fs/promises'
import type { AcmeDirectory, AcmeServices } from '../acme/endpoint.ts'
import { createAcmeListener, plainLimit } from '../acme/listener.ts'
import { createNonceService } from '../acme/nonce-service.ts'
import { adminRoutes } from '../admin/admin-listener.ts'
import { joinAddress, splitAddress } from '../config/listen-address.ts'
import type { ResolvedConfig } from '../config/read.ts'
import { createEnrollment } from '../enrollment/create-enrollment.ts'
import { type PlainRoute, plainNotFound, plainRoute } from '../http/plain-route.ts'
import { createHttpListener, type HttpListener } from '../http/server.ts'
import { chainToServe, type Issuer } from '../issuance/issuer.ts'
import { type Clock, systemClock } from '../lib/clock.ts'
import { createClockGuard } from '../lib/clock-guard.ts'
import { decodePem, encodePem } from '../lib/pem.ts'
import { type Random, systemRandom } from '../lib/random.ts'
import { createLimits } from '../limits/create-limits.ts'
import type { Logger } from '../observe/log.ts'
import { createMetrics } from '../observe/prometheus.ts'
import type { RuleSource } from '../policy/language/schema.ts'
import { createRevocation } from '../revocation/create-revocation.ts'
import { type CrlPublisher, createCrlPublisher } from '../revocation/crl-publisher.ts'
import type { Store } from '../store/store.ts'
import { createValidationRunner } from '../validation/job-runner.ts'
import { createBackground } from './background.ts'
import { startChores } from './chores.ts'
import { constraintGaps } from './constraint-gaps.ts'
import { buildDirectories, policyChooser, profileTable } from './directories.ts'
import { ensureAuthority } from './first-start.ts'
import { openHistory } from './history.ts'
import { type Home, openHome } from './home.ts'
import { loadIssuers, withSigningDeadline } from './issuers.ts'
import { findMissingIssuers, findUnknownReplaced } from './missing-issuers.ts'
import { serverNames } from './name-scope.ts'
import { databaseName, openStore } from './open-store.ts'
import { readPassphrase } from './passphrase.ts'
import { openPolicyInForce, type PolicyInForce } from './policy-in-force.ts'
import { profileGaps } from './profile-gaps.ts'
import { publicRoutes } from './public-listener.ts'
import { readinessChecks } from './readiness.ts'
import { recordPolicies } from './record-policies.ts'
import { renewalConflicts } from './renewal-conflicts.ts'
import { loadRetiredIssuers } from './retired-issuers.ts'
import { obtainServerCertificate, serverIdentifiers } from './server-certificate.ts'
import { StartError } from './start-error.ts'
import { holdsWrapped, loadNonceKey, loadStorageKey } from './storage-key.ts'

export interface StartOptions {
  readonly config: ResolvedConfig
  /** Absolute path of the state folder; made when absent. */
  readonly homePath: string
  readonly log: Logger
  readonly clock?: Clock
  readonly random?: Random
  /** Of this program; stands in the backups that the server makes. */
  readonly version?: string
}

export interface BoundAddress {
  readonly address: string
  readonly port: number
}

export interface RunningChancery {
  readonly home: Home
  readonly config: ResolvedConfig
  readonly addresses: { readonly acme: BoundAddress; readonly public: BoundAddress; readonly admin: BoundAddress }
  readonly directories: readonly AcmeDirectory[]
  readonly issuers: ReadonlyMap<string, Issuer>
  readonly rootPem: string
  /** True when this start made the root and the issuing CA. */
  readonly isFirstStart: boolean
  readonly store: Store
  readonly crlPublisher: CrlPublisher
  /** The rules of `policy.file`; absent where the configuration's own policies decide. */
  readonly policy?: PolicyInForce
  /** Resolves when a listener died; the process should then stop (KF-E14). Never rejects. */
  readonly failure: Promise<Error>
  /**
   * Drains and ends everything (KF-E14): no new connections, the last answers say `Connection: close`, requests under
   * way have `drainSeconds` (default: `shutdown.drainTimeout`), then background work, then the store.
   */
  stop(options?: { readonly drainSeconds?: number }): Promise<void>
}

/**
 * Builds the whole of Chancery from its parts and starts it. Resolves when all listeners accept; when anything is
 * wrong it throws, and nothing is left running.
 *
 * @throws {ConfigError | HomeError | StoreError | SignerError | IssuanceError | StartError}
 */
export async function startChancery(options: StartOptions): Promise<RunningChancery> {
  const { config, log, clock = systemClock, random = systemRandom } = options
  await using cleanup = new AsyncDisposableStack()
  const home = await openHome(options.homePath)
  const metrics = createMetrics()
  cleanup.defer(() => metrics.close())
  // The lock of a SQLite store is the lock of the state folder: one server, one first start.
  const opened = await openStore(config.database, { clock, random, log, metrics, serves: true })
  cleanup.defer(() => opened.close())
  // Before anything is written: an older copy of the database would use numbers again and revive what ended.
  const history = await openHistory(opened, config, { clock, random, log, metrics })
  cleanup.defer(() => history.stop())
  const { store } = history
  const noOthers = await store.takeOver()

  const passphrase = await readPassphrase(config.keys.passphraseFile)
  const isFirstStart = await ensureAuthority(home, config, { store, passphrase, now: clock.now(), random })
  const { keys: wrappedKeys } = await loadStorageKey(home.storageKey, {
    random,
    passphrase,
    create: !(await holdsWrapped(store)),
  })
  const nonceKey = await loadNonceKey(store, wrappedKeys, { random, home, database: databaseName(config.database) })
  const issuers = withSigningDeadline(await loadIssuers(home, config, passphrase, clock.now()), clock)
  const retired = await loadRetiredIssuers(home, config, issuers, { passphrase, now: clock.now(), log })
  const allIssuers = new Map([...issuers, ...withSigningDeadline(retired, clock)])
  const issuer = issuers.get('default')
  if (issuer === undefined) throw new Error('the default issuing CA was not loaded')

  for (const missing of await findMissingIssuers(store, allIssuers.values(), clock.now()))
    log.error('issuer.missing', { ...missing })
  const { replacedIssuers: replaced } = config.renewalInfo
  for (const unknown of await findUnknownReplaced(store, allIssuers.values(), { replaced, now: clock.now() }))
    log.warn('issuer.unknown_replaced', { ...unknown })

  const common = { store, clock, random, log, metrics }
  const newestSeen = await store.clock.newestSeen()
  const clockGuard = createClockGuard({ clock, toleranceSeconds: config.limits.clockTolerance, newestSeen })
  const tellGaps = (rules?: readonly RuleSource[]): void => {
    for (const one of issuers.values())
      for (const gap of constraintGaps(config, one, rules))
        log.warn('issuer.name_constraints', { issuer: one.name, gap })
    for (const conflict of renewalConflicts(config, rules ?? [])) log.warn('policy.renewal_conflict', { conflict })
  }
  for (const { isFatal, profile, gap } of profileGaps(config, issuers))
    log[isFatal ? 'error' : 'warn']('profile.unusable', { profile, gap })
  const rules =
    config.policy.file === undefined
      ? undefined
      : await openPolicyInForce({ ...common, config, profiles: profileTable(config), clockGuard, onLoaded: tellGaps })
  if (rules === undefined) {
    tellGaps()
    await recordPolicies({ ...common, config })
  }
  const directories = await buildDirectories(config, rules?.policy)
  const names = serverIdentifiers(serverNames(config))
  const limits = createLimits({ ...common, config: config.limits, store: store.limits })
  cleanup.defer(() => limits.settled())
  const clockProblem = clockGuard.problem()
  if (clockProblem !== undefined) log.error('clock.behind', { error: clockProblem })
  const publisher = createCrlPublisher({
    ...common,
    clockGuard,
    issuers: allIssuers,
    crlLifetimeSeconds: config.crl.lifetime,
    rebuildWithinSeconds: config.crl.rebuildWithin,
  })
  cleanup.defer(() => publisher.stop())
  const revocation = createRevocation({ ...common, publisher })
  const enrollment = createEnrollment({
    ...common,
    issuers: allIssuers,
    limits,
    policyFor: policyChooser(directories, names),
    maxUnderWay: config.limits.issuances,
    clockGuard,
  })
  // A certificate names its CRL, so there is one before the first certificate.
  await publisher.buildDue()
  const certificateDeps = {
    ...common,
    home,
    names,
    lifetimeSeconds: config.tls.lifetime,
    issuer,
    enrollment,
    passphrase,
  }
  const serverCertificate = await obtainServerCertificate(certificateDeps)

  const bound: BoundAddress[] = []
  const validation = createValidationRunner({
    ...common,
    config: config.validation,
    validAuthorizationSeconds: config.orders.validAuthorizationLifetime,
    chaosDelaySeconds: config.chaos.validationDelay,
    maxBacklog: config.limits.validationBacklog,
    ownListeners: () => bound,
    pause: limits.pause,
  })
  cleanup.defer(() => validation.stop())
  const background = createBackground({ clock, log })
  cleanup.defer(() => background.stop())

  const services: AcmeServices = {
    ...common,
    nonces: createNonceService({ ...common, key: nonceKey, chaosBadNoncePercent: config.chaos.badNoncePercent }),
    enrollment,
    validation,
    revocation,
    limits,
    wrappedKeys,
    chainsPem: chainsOf(allIssuers),
    settings: settingsOf(config),
  }

  const failing = Promise.withResolvers<Error>()
  const rootPem = await readFile(home.rootPem, 'utf8')
  const files = publicRoutes({
    clock,
    rootPem,
    rootDer: decodePem(rootPem)[0]?.der ?? Buffer.alloc(0),
    issuerDer: new Map([...allIssuers.values()].map((one) => [one.id, one.certificate.der])),
    latestCrl: (issuerId) => publisher.latest(issuerId),
    crlMaxAgeSeconds: config.crl.rebuildWithin,
  })
  const acmeListener = createAcmeListener({
    directories,
    services,
    publicUrl: config.publicUrl,
    formerPublicUrls: config.formerPublicUrls,
    limits: config.limits,
    tls: serverCertificate.tls,
    extraRoutes: files.filter((route) => route.path === '/root.pem'),
    onFailure: failing.resolve,
  })
  const plainListener = (name: string, routes: readonly PlainRoute[]): HttpListener =>
    createHttpListener({
      name,
      limits: config.limits,
      // The admin listener is for the machine itself, and must tell how things are when they are worst.
      routes: routes.map((route) =>
        name === 'public' ? plainRoute(route, log, (exchange) => plainLimit(exchange, limits)) : plainRoute(route, log),
      ),
      otherwise: plainNotFound,
      log,
      metrics,
      onFailure: failing.resolve,
    })
  const adminListener = plainListener(
    'admin',
    adminRoutes({
      metrics,
      checks: [
        ...readinessChecks({ store, issuers: () => [...issuers.values()], publisher, clock, clockGuard }),
        ...history.checks,
      ],
    }),
  )
  const listeners = { acme: acmeListener, public: plainListener('public', files), admin: adminListener }

  const listen = async (name: keyof typeof listeners): Promise<BoundAddress> => {
    const { host, port } = splitAddress(config.listeners[name])
    cleanup.defer(() => listeners[name].close())
    const { address, port: actual } = await listeners[name].listen(host, port).catch((cause: NodeJS.ErrnoException) => {
      throw new StartError(
        `listeners.${name}: cannot listen on ${config.listeners[name]} (${cause.code ?? cause.message})`,
        { cause },
      )
    })
    bound.push({ address, port: actual })
    return { address, port: actual }
  }
  const addresses = { acme: await listen('acme'), public: await listen('public'), admin: await listen('admin') }
  validation.start()
  publisher.start()
  history.start(background, failing.resolve)
  startChores({
    ...common,
    home,
    version: options.version ?? 'unknown',
    config,
    enrollment,
    noOthers,
    clockGuard,
    issuers,
    background,
    serverCertificate,
    fail: failing.resolve,
    renewServerCertificate: async () => {
      const renewed = await obtainServerCertificate(certificateDeps)
      acmeListener.setSecureContext(renewed.tls)
      return renewed
    },
  })
  log.info('ready', {
    listeners: Object.fromEntries(
      Object.entries(addresses).map(([name, { address, port }]) => [name, joinAddress(address, port)]),
    ),
    directories: directories.map(({ urls }) => urls.directory),
    home: home.path,
    pid: process.pid,
  })

  const resources = cleanup.move()
  let stopped: Promise<void> | undefined
  const stop = async (drainSeconds: number): Promise<void> => {
    log.info('stopping', { drainSeconds })
    const drained = Promise.all(Object.values(listeners).map((listener) => listener.drain()))
    const patience = new AbortController()
    await Promise.race([drained, clock.sleep(drainSeconds * 1000, patience.signal)])
    patience.abort()
    await resources.disposeAsync()
    log.info('stopped')
  }
  return {
    home,
    config,
    addresses,
    directories,
    issuers,
    rootPem,
    isFirstStart,
    store,
    crlPublisher: publisher,
    ...(rules && { policy: rules }),
    failure: failing.promise,
    stop: (how = {}) => {
      stopped ??= stop(how.drainSeconds ?? config.shutdown.drainTimeout)
      return stopped
    },
  }
}

/** RFC 8555 §7.4.2: the default chain first, then the alternates; none holds the root. */
function chainsOf(issuers: ReadonlyMap<string, Issuer>): (issuerId: string) => readonly string[] | undefined {
  const asPem = (chain: readonly Buffer[]): string => chain.map((der) => encodePem('CERTIFICATE', der)).join('')
  const chains = new Map(
    [...issuers.values()].map((issuer) => [issuer.id, [chainToServe(issuer), ...issuer.alternateChainsDer].map(asPem)]),
  )
  return (issuerId) => chains.get(issuerId)
}

export function settingsOf({ accounts, limits, orders, renewalInfo }: ResolvedConfig): AcmeServices['settings'] {
  return {
    maxContacts: accounts.maxContacts,
    identifiersPerOrder: limits.identifiersPerOrder,
    orderLifetimeSeconds: orders.lifetime,
    pendingAuthorizationLifetimeSeconds: orders.pendingAuthorizationLifetime,
    validAuthorizationLifetimeSeconds: orders.validAuthorizationLifetime,
    sharePendingSeconds: orders.sharePendingFor,
    acceptPaddedBase64: orders.acceptPaddedBase64,
    allowCertificateGet: orders.allowCertificateGet,
    renewalInfo: {
      retryAfterSeconds: renewalInfo.retryAfter,
      ...(renewalInfo.explanationUrl !== undefined && { explanationUrl: renewalInfo.explanationUrl }),
      replacedIssuers: renewalInfo.replacedIssuers,
    },
  }
}
