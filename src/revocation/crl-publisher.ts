import type { Issuer } from '../issuance/issuer.ts'
import type { Clock } from '../lib/clock.ts'
import type { ClockGuard } from '../lib/clock-guard.ts'
import type { Random } from '../lib/random.ts'
import type { Logger } from '../observe/log.ts'
import type { Metrics } from '../observe/metrics.ts'
import type { CrlRecord } from '../store/records.ts'
import type { Store } from '../store/store.ts'
import { buildCrl } from './build-crl.ts'
import { crlTimes, isDueForRenewal, nextCrlNumber } from './crl-times.ts'

/** Keeps a good CRL of every issuer in the store, ahead of time and without anybody asking for one. */
export interface CrlPublisher {
  /** Begins to build lists as they fall due. Calling it again changes nothing. */
  start(): void
  /** Ends the loop; resolves when a build under way is over. */
  stop(): Promise<void>
  /** Something was revoked here: looks again within seconds, unless a list was made just now. */
  notify(issuerId: string): void
  /** One pass over all issuers. Never rejects: what fails is logged, counted, and tried again in the next pass. */
  buildDue(): Promise<void>
  /** The newest list as it was stored, signature and all; what is served. */
  latest(issuerId: string): Promise<CrlRecord | undefined>
}

export interface CrlPublisherDependencies {
  readonly store: Pick<Store, 'crls'>
  readonly issuers: ReadonlyMap<string, Issuer> | (() => ReadonlyMap<string, Issuer>)
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  readonly metrics: Metrics
  /** No list is made while the wall clock cannot be trusted: a list of the past would replace a good one. */
  readonly clockGuard?: ClockGuard
  /** nextUpdate minus thisUpdate. */
  readonly crlLifetimeSeconds: number
  /** The longest that a revocation waits for a list that names it. */
  readonly rebuildWithinSeconds: number
}

/** Revocations come in bursts: wait this long after the first one, so that one list names them all (KF-D13). */
const SETTLE_MS = 1000
/** A list of a million entries is built in less; and whoever dies while building blocks the others no longer. */
const LEASE_SECONDS = 30

export function createCrlPublisher(dependencies: CrlPublisherDependencies): CrlPublisher {
  const { store, clock, random, log, metrics } = dependencies
  const owner = random.bytes(16).toString('hex')
  // Half of the promise for waiting, the other half for building.
  const intervalMs = Math.max(250, (dependencies.rebuildWithinSeconds * 1000) / 2)
  const stopping = new AbortController()
  let hurry = new AbortController()
  let loop: Promise<void> | undefined
  let pass: Promise<void> | undefined
  /** When this process last made a list, in monotonic time. */
  let builtAt = Number.NEGATIVE_INFINITY

  const issuersNow = (): ReadonlyMap<string, Issuer> =>
    typeof dependencies.issuers === 'function' ? dependencies.issuers() : dependencies.issuers

  async function buildAll(): Promise<void> {
    for (const issuer of issuersNow().values()) {
      try {
        await buildIfDue(issuer)
      } catch (error) {
        metrics.count('chancery_crl_builds_total', { outcome: 'failed' })
        log.error('crl.build-failed', { issuer: issuer.name, issuerId: issuer.id, error })
      }
    }
  }

  async function buildIfDue(issuer: Issuer): Promise<void> {
    const last = await store.crls.latest(issuer.id)
    if (last !== undefined) tellNextUpdate(issuer, last.nextUpdate)
    if (!(await isDue(issuer, last))) return
    dependencies.clockGuard?.check()
    const now = clock.now()
    // One builder at a time (KF-D05). It may have been at work since we looked.
    if (
      !(await store.crls.lease(issuer.id, { owner, now, leaseUntil: new Date(now.getTime() + LEASE_SECONDS * 1000) }))
    )
      return
    const newest = await store.crls.latest(issuer.id)
    if (!(await isDue(issuer, newest))) return
    await buildAndStore(issuer)
  }

  async function isDue(issuer: Issuer, last: CrlRecord | undefined): Promise<boolean> {
    if (last === undefined || isDueForRenewal(last, clock.now())) return true
    return (await store.crls.pendingSince(issuer.id)) !== undefined
  }

  async function buildAndStore(issuer: Issuer): Promise<void> {
    const now = clock.now()
    const { entries, upTo } = await store.crls.revokedEntries(issuer.id, now)
    const number = nextCrlNumber(await store.crls.lastNumber(issuer.id), now)
    builtAt = clock.monotonicMs()
    const times = crlTimes(now, dependencies.crlLifetimeSeconds)
    metrics.count('chancery_signatures_total', { purpose: 'crl' })
    const crlDer = await buildCrl(issuer, { number, entries, ...times })
    const outcome = await store.crls.publish({ issuerId: issuer.id, number, crlDer, ...times }, upTo, {
      at: now,
      event: 'crl.published',
      data: {
        issuerId: issuer.id,
        number: number.toString(),
        entries: entries.length,
        nextUpdate: times.nextUpdate.toISOString(),
      },
    })
    metrics.count('chancery_crl_builds_total', { outcome })
    switch (outcome) {
      case 'published':
        tellNextUpdate(issuer, times.nextUpdate)
        log.info('crl.published', {
          issuer: issuer.name,
          number: number.toString(),
          entries: entries.length,
          nextUpdate: times.nextUpdate.toISOString(),
        })
        return
      case 'superseded':
        log.info('crl.superseded', { issuer: issuer.name, number: number.toString() })
        return
      default:
        throw new TypeError(`unknown outcome ${String(outcome satisfies never)}`)
    }
  }

  /** The alarm that tells of a builder that is stuck: nextUpdate comes near and does not move (KF-D11). */
  function tellNextUpdate(issuer: Issuer, nextUpdate: Date): void {
    metrics.set('chancery_crl_next_update_timestamp_seconds', nextUpdate.getTime() / 1000, { issuer: issuer.name })
  }

  function buildDue(): Promise<void> {
    // Whoever asks while a pass is running gets a new one after it: the running one may be past their issuer.
    const mine = (pass ?? Promise.resolve()).then(buildAll)
    pass = mine
    return mine
  }

  async function run(): Promise<void> {
    while (!stopping.signal.aborted) {
      hurry = new AbortController()
      await buildDue()
      await clock.sleep(intervalMs, AbortSignal.any([stopping.signal, hurry.signal]))
      if (!hurry.signal.aborted) continue
      // In a hurry: but not more than one list per interval, however many revocations come in.
      const sinceMs = clock.monotonicMs() - builtAt
      await clock.sleep(Math.max(Math.min(SETTLE_MS, intervalMs), intervalMs - sinceMs), stopping.signal)
    }
  }

  return {
    start() {
      loop ??= run()
    },
    async stop() {
      stopping.abort()
      await loop
      await pass
    },
    notify(issuerId) {
      const known = [...issuersNow().values()].some(({ id }) => id === issuerId)
      // The revocation is durable, but nobody will hear of it; only the operator can mend that.
      if (!known)
        log.error('crl.no-issuer', { issuerId, advice: 'put the certificate and key of this issuing CA back' })
      hurry.abort()
    },
    buildDue,
    latest: (issuerId) => store.crls.latest(issuerId),
  }
}
