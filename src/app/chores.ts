import type { ResolvedConfig } from '../config/read.ts'
import type { Enrollment } from '../enrollment/enrollment.ts'
import type { Issuer } from '../issuance/issuer.ts'
import type { Clock } from '../lib/clock.ts'
import type { ClockGuard } from '../lib/clock-guard.ts'
import type { Logger } from '../observe/log.ts'
import type { Metrics } from '../observe/metrics.ts'
import type { Store } from '../store/store.ts'
import type { Background } from './background.ts'
import { scheduleBackups } from './backup-schedule.ts'
import { createExpiryWatch, type WatchedCertificate } from './expiry.ts'
import type { Home } from './home.ts'
import { createRetention } from './retention.ts'
import type { ServerCertificate } from './server-certificate.ts'
import { StartError } from './start-error.ts'

const MINUTE = 60
const HOUR = 3600
const INSTANCE_BEAT = 15
/**
 * What another server left is taken up when it is 30 s old (`RESUME_AFTER_SECONDS`) and not earlier, whatever stands here:
 * its holder may be at work still, and clocks may differ. This is by how much it can become later than that.
 */
const RESUME_SECONDS = 10
/** How much of the past a crash may take from the memory of the clock; less than any sane tolerance. */
const CLOCK_NOTE_SECONDS = 30

export interface ChoreDeps {
  readonly home: Home
  readonly version: string
  readonly config: ResolvedConfig
  readonly store: Store
  readonly enrollment: Enrollment
  /** Whether this is the only server of the store, so that what its predecessors left is nobody else's work. */
  readonly noOthers: boolean
  readonly clockGuard: ClockGuard
  readonly issuers: ReadonlyMap<string, Issuer>
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: Metrics
  readonly background: Background
  readonly serverCertificate: ServerCertificate
  /** Stops the process, and says why. */
  fail(error: Error): void
  /** Gets a new certificate for our own listener and puts it into use. @throws when it cannot be had */
  renewServerCertificate(): Promise<ServerCertificate>
}

/** Starts everything that happens without anybody asking. */
export function startChores(deps: ChoreDeps): void {
  const { background, config, enrollment, log, metrics, store, clock } = deps
  background.every('resume', RESUME_SECONDS, async () => {
    const finished = await enrollment.resume({ noOthers: deps.noOthers })
    if (finished > 0) log.info('enrollment.resumed', { finished })
  })
  // Work goes on while the database is away; only one that was changed, moved or restored under us ends it (KF-E16, KF-E08).
  background.every('instance', INSTANCE_BEAT, async () => {
    const problem = await store.instances.beat()
    if (problem === undefined) return
    log.error('store.changed', { problem })
    deps.fail(new StartError(problem))
  })
  // Before the next process can be started, so that it knows how late it was.
  background.every('clock', CLOCK_NOTE_SECONDS, async () => {
    if (deps.clockGuard.problem() === undefined) await store.clock.note(clock.now())
  })
  // Not before an hour is up: a clock that was wrong already at start can be noticed and set right first.
  background.every('retention', 10 * MINUTE, createRetention(deps), { firstSeconds: HOUR })
  background.every('expiry', HOUR, createExpiryWatch(watched(deps.issuers), { clock, log, metrics }))
  // Counting reads an index of every table; seldom is enough for a curve of growth, and a start has better things to do.
  background.every(
    'store-metrics',
    HOUR,
    async () => {
      for (const [table, rows] of Object.entries(await store.retention.counts()))
        metrics.set('chancery_store_rows', rows, { table })
    },
    { firstSeconds: MINUTE },
  )
  scheduleBackups(deps)
  keepServerCertificate(deps)
  if (config.chaos.badNoncePercent > 0 || config.chaos.validationDelay > 0) {
    background.every('chaos', MINUTE, () =>
      log.warn('chaos.on', {
        ...config.chaos,
        advice: 'this server misbehaves on purpose to test clients; take `chaos` out of the configuration',
      }),
    )
  }
}

/** Every CA certificate in use, each once. */
export function watched(issuers: ReadonlyMap<string, Issuer>): WatchedCertificate[] {
  const found = new Map<string, WatchedCertificate>()
  for (const issuer of issuers.values()) {
    for (const [index, certificate] of issuer.chain.entries()) {
      const isRoot = certificate.subjectDer.equals(certificate.issuerDer)
      const name = index === 0 ? `issuer:${issuer.name}` : isRoot ? 'root' : `intermediate:${issuer.name}:${index}`
      const key = certificate.der.toString('base64')
      if (!found.has(key)) found.set(key, { name, notBefore: certificate.notBefore, notAfter: certificate.notAfter })
    }
  }
  return [...found.values()]
}

/** Renews at two thirds of life; after a failure tries again soon, more often as the end comes near. */
function keepServerCertificate(deps: ChoreDeps): void {
  const { background, clock, log, metrics } = deps
  let current = deps.serverCertificate
  let retryAtMs = Number.NEGATIVE_INFINITY
  const report = (): void =>
    metrics.set('chancery_certificate_not_after_timestamp_seconds', current.notAfter.getTime() / 1000, {
      certificate: 'tls',
    })
  background.every('tls', MINUTE, async () => {
    report()
    if (clock.now() < current.renewAt || clock.monotonicMs() < retryAtMs) return
    try {
      current = await deps.renewServerCertificate()
      report()
    } catch (error) {
      const leftMs = current.notAfter.getTime() - clock.now().getTime()
      retryAtMs = clock.monotonicMs() + Math.min(HOUR * 1000, Math.max(MINUTE * 1000, leftMs / 20))
      log.error('tls.renewal_failed', { error, notAfter: current.notAfter })
    }
  })
}
