import { generateKeyPairSync } from 'node:crypto'
import type { AcmeServices } from '../../src/acme/endpoint.ts'
import { KeyCache } from '../../src/acme/jws/key-cache.ts'
import { createNonceService } from '../../src/acme/nonce-service.ts'
import { type AcmeRoute, acmeRoutes } from '../../src/acme/routes.ts'
import { type ServedDirectory, serve } from '../../src/acme/serve.ts'
import { directoryUrls } from '../../src/acme/urls.ts'
import { createBackground } from '../../src/app/background.ts'
import { startChores } from '../../src/app/chores.ts'
import { buildDirectories, policyChooser } from '../../src/app/directories.ts'
import { homeAt } from '../../src/app/home.ts'
import { recordPolicies } from '../../src/app/record-policies.ts'
import type { ServerCertificate } from '../../src/app/server-certificate.ts'
import { settingsOf } from '../../src/app/start.ts'
import type { ResolvedConfig } from '../../src/config/read.ts'
import { createEnrollment } from '../../src/enrollment/create-enrollment.ts'
import { Admission } from '../../src/http/admission.ts'
import type { Clock } from '../../src/lib/clock.ts'
import { type ClockGuard, createClockGuard } from '../../src/lib/clock-guard.ts'
import type { Identifier } from '../../src/lib/identifier.ts'
import { newId } from '../../src/lib/ids.ts'
import { encodePem } from '../../src/lib/pem.ts'
import { createLimits } from '../../src/limits/create-limits.ts'
import type { LogFields, Logger } from '../../src/observe/log.ts'
import type { Metrics } from '../../src/observe/metrics.ts'
import { createRevocation } from '../../src/revocation/create-revocation.ts'
import { createCrlPublisher } from '../../src/revocation/crl-publisher.ts'
import { withDeadline } from '../../src/signer/deadline.ts'
import type { CrlRecord } from '../../src/store/records.ts'
import { openSqliteStore } from '../../src/store/sqlite/engine.ts'
import type { Store } from '../../src/store/store.ts'
import { createValidationRunner } from '../../src/validation/job-runner.ts'
import { parseSubjectPublicKey } from '../../src/x509/spki.ts'
import { checkedCache } from '../support/checked-cache.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import type { Authority } from './authority.ts'
import type { SimDisk } from './disk.ts'
import { type SimReply, type SimRequest, simulatedExchange } from './exchange.ts'
import type { Internet } from './internet.ts'
import type { Process } from './machine.ts'
import type { Plant } from './plants.ts'
import { policyOfRules } from './rules.ts'
import type { SimSigner } from './signer.ts'
import { Violation } from './world.ts'

/** What a process needs to be the server: everything that outlives it. */
export interface ServerParts {
  readonly seed: string
  readonly config: ResolvedConfig
  readonly authority: Authority
  readonly disk: SimDisk
  readonly signer: SimSigner
  readonly internet: Internet
  /** How often the validation runner looks for jobs of others, in milliseconds. */
  readonly pollMs: number
  /** Policy is a file of rules, not the names of the configuration. */
  readonly hasRules: boolean
  readonly plant: Plant
  readonly onError: (event: string, fields: LogFields, process: Process) => void
}

export interface SimServer {
  readonly process: Process
  /** Never settles once the process is dead. */
  handle(request: SimRequest): Promise<SimReply>
  latestCrl(): Promise<CrlRecord | undefined>
  /** What `/readyz` asks of the store. */
  isReady(): Promise<boolean>
  stop(): Promise<void>
}

const NO_METRICS: Metrics = { count: () => undefined, observe: () => undefined, set: () => undefined }
const OWN_NAMES: readonly Identifier[] = [{ type: 'dns', value: 'ca.test' }]

/**
 * Starts the whole server but for its sockets and its state folder: the same parts in the same order as `app/start.ts`.
 *
 * @throws {StoreError} when the disk does not let it
 */
export async function startServer(process: Process, parts: ServerParts): Promise<SimServer> {
  const { config, disk, authority, plant } = parts
  const { clock } = process
  const random = new SeededRandom(`${parts.seed}/process-${process.number}`)
  const log = processLog(process, parts.onError)
  const metrics = NO_METRICS
  const opened = await openSqliteStore({
    path: disk.path,
    clock,
    random,
    log,
    metrics,
    exclusive: true,
    connect: disk.connect(process),
    connectLock: disk.connect(process),
    checkpoints: () => disk.checkpoints(process),
    recordCache: checkedCache,
  })
  const store = plant.store?.(opened, process) ?? opened
  const noOthers = await store.takeOver()
  const clockGuard = await guardAcceptedByOperator(store, clock, config)
  const issuer = authority.issuer(withDeadline(parts.signer.usedBy(process), clock))
  const issuers = new Map([[issuer.name, issuer]])
  const built = parts.hasRules
    ? await buildDirectories(
        { ...config, policy: { ...config.policy, file: 'simulated.yaml' } },
        await policyOfRules({ config, store, clock, clockGuard }),
      )
    : await buildDirectories(config)
  const directories = built.map((one) => ({ ...one, policy: plant.policy?.(one.policy) ?? one.policy }))
  if (!parts.hasRules) await recordPolicies({ config, store, clock, log })
  const common = { store, clock, random, log, metrics }

  const limits = createLimits({ ...common, config: config.limits, store: store.limits })
  const publisher = createCrlPublisher({
    ...common,
    clockGuard,
    issuers,
    crlLifetimeSeconds: config.crl.lifetime,
    rebuildWithinSeconds: config.crl.rebuildWithin,
  })
  const revocation = createRevocation({ ...common, publisher })
  const honest = createEnrollment({
    ...common,
    issuers,
    limits,
    policyFor: policyChooser(directories, OWN_NAMES),
    clockGuard,
    maxUnderWay: config.limits.issuances,
  })
  const enrollment = plant.enrollment?.(honest) ?? honest
  await publisher.buildDue()

  const renewServerCertificate = async (): Promise<ServerCertificate> => {
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const result = await enrollment.enroll({
      requestId: newId(random, 'request', clock.now()),
      requester: { kind: 'server' },
      identifiers: OWN_NAMES,
      publicKey: parseSubjectPublicKey(publicKey.export({ type: 'spki', format: 'der' })),
      profile: {
        name: '(server)',
        lifetimeSeconds: config.tls.lifetime,
        maxLifetimeSeconds: config.tls.lifetime,
        backdateSeconds: 300,
        extendedKeyUsages: ['serverAuth'],
        subject: 'empty',
        issuer: issuer.name,
      },
    })
    if (result.outcome !== 'issued') throw new Error(`no server certificate: ${result.outcome}`)
    const { notBefore, notAfter } = result.certificate
    const life = notAfter.getTime() - notBefore.getTime()
    return { tls: { key: '', cert: '' }, notAfter, renewAt: new Date(notAfter.getTime() - life / 3) }
  }
  const serverCertificate: ServerCertificate = await renewServerCertificate().catch(() => ({
    tls: { key: '', cert: '' },
    notAfter: clock.now(),
    renewAt: clock.now(),
  }))

  const validation = createValidationRunner({
    ...common,
    config: config.validation,
    validAuthorizationSeconds: config.orders.validAuthorizationLifetime,
    chaosDelaySeconds: 0,
    ownListeners: [],
    pause: limits.pause,
    maxBacklog: config.limits.validationBacklog,
    network: parts.internet.seenBy(process),
    pollMs: parts.pollMs,
    ...plant.prover,
  })
  const background = createBackground({ clock, log })
  const wrappedKeys = { wrap: (plain: Buffer) => plain, unwrap: (wrapped: Buffer) => wrapped }
  const nonceKey = await store.secrets.getOrCreate('nonce-key', () => random.bytes(32))
  const services: AcmeServices = {
    ...common,
    nonces: createNonceService({ ...common, key: nonceKey, chaosBadNoncePercent: 0 }),
    enrollment,
    validation,
    revocation,
    limits,
    wrappedKeys,
    chainsPem: (id) => (id === issuer.id ? [encodePem('CERTIFICATE', issuer.certificate.der)] : undefined),
    settings: settingsOf(config),
  }
  const keys = new KeyCache()
  const admission = new Admission({
    newWorkDelayMs: config.limits.queueDelayMs,
    maxUnderWay: config.limits.requests,
    maxWaiting: config.limits.queueLength,
    clock,
    metrics,
    log,
    pressures: () => [
      { queue: 'store', fullness: store.pressure() },
      { queue: 'issuance', fullness: enrollment.pressure() },
      { queue: 'validation', fullness: validation.pressure() },
    ],
    // How busy this machine is has no part in it.
    cpuMs: () => 0,
  })
  const routes = directories.flatMap((directory) => {
    const served: ServedDirectory = {
      directory,
      bases: [config.publicUrl],
      accountPrefixes: [directoryUrls(config.publicUrl, directory.name).account('')],
      services,
      keys,
      admission,
      maxBodyBytes: config.limits.bodyBytes,
    }
    return acmeRoutes(directory.name, services.settings).map((route) => ({ route, served, match: matcher(route) }))
  })
  validation.start()
  publisher.start()
  startChores({
    ...common,
    home: homeAt('/simulated'),
    version: 'simulated',
    config,
    enrollment,
    issuers,
    background,
    serverCertificate,
    renewServerCertificate,
    noOthers,
    clockGuard,
    fail(error) {
      throw new Violation('schema', error.message)
    },
  })

  return {
    process,
    async handle(request) {
      const path = request.target.split('?')[0] as string
      for (const { route, served, match } of routes) {
        const params = match(path)
        if (params === undefined) continue
        const { exchange, reply } = simulatedExchange(request, params)
        await serve(exchange, route, served)
        return reply
      }
      throw new Violation('clients', `a client was sent to ${path}, where there is nothing`)
    },
    latestCrl: () => publisher.latest(issuer.id),
    isReady: () =>
      store.ping().then(
        () => true,
        () => false,
      ),
    async stop() {
      await background.stop()
      await validation.stop()
      await publisher.stop()
      await limits.settled()
      await store.close()
    },
  }
}

/** Whoever starts a server has set its clock right before, and says so where the store remembers a later time. */
async function guardAcceptedByOperator(store: Store, clock: Clock, config: ResolvedConfig): Promise<ClockGuard> {
  const toleranceSeconds = config.limits.clockTolerance
  const remembering = createClockGuard({ clock, toleranceSeconds, newestSeen: await store.clock.newestSeen() })
  if (remembering.problem() === undefined) return remembering
  const now = clock.now()
  await store.clock.accept(now, { at: now, event: 'clock.accepted', data: { by: 'operator' } })
  return createClockGuard({ clock, toleranceSeconds, newestSeen: now })
}

/** `:name` is one segment. */
function matcher(route: AcmeRoute): (path: string) => Record<string, string> | undefined {
  const wanted = route.path.split('/')
  return (path) => {
    const given = path.split('/')
    if (given.length !== wanted.length) return undefined
    const params: Record<string, string> = {}
    for (const [i, segment] of wanted.entries()) {
      if (segment.startsWith(':')) params[segment.slice(1)] = given[i] as string
      else if (segment !== given[i]) return undefined
    }
    return params
  }
}

function processLog(process: Process, onError: ServerParts['onError']): Logger {
  const silent = (): void => undefined
  const log: Logger = {
    debug: silent,
    info: silent,
    warn: silent,
    error: (event, fields = {}) => {
      if (process.isAlive) onError(event, fields, process)
    },
    child: () => log,
  }
  return log
}
