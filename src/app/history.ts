import type { ReadinessCheck } from '../admin/admin-listener.ts'
import type { ResolvedConfig } from '../config/read.ts'
import type { Clock } from '../lib/clock.ts'
import type { Random } from '../lib/random.ts'
import type { Logger } from '../observe/log.ts'
import type { Metrics } from '../observe/metrics.ts'
import { openIssuanceLog } from '../recovery/issuance-log.ts'
import { withLoggedEndings } from '../recovery/logged-store.ts'
import { explainMark, readMark } from '../store/move-marks.ts'
import type { Store } from '../store/store.ts'
import type { Background } from './background.ts'
import { StartError } from './start-error.ts'

const PRUNE_SECONDS = 3600

/** The part of a running server that knows which history the database is of. */
export interface History {
  /** To be used from here on: what ends something for good is in the log before it is confirmed. */
  readonly store: Store
  readonly checks: readonly ReadinessCheck[]
  /** @param fail told when the database was replaced by an earlier copy while the server runs */
  start(background: Background, fail: (error: Error) => void): void
  stop(): Promise<void>
}

/**
 * Makes sure that the database is the one that was served last, and opens the log of what it issues.
 *
 * @throws {StartError} when a restore of the database did not finish
 * @throws {LogError} when the database is older than the log
 */
export async function openHistory(
  store: Store,
  config: ResolvedConfig,
  deps: { readonly clock: Clock; readonly random: Random; readonly log: Logger; readonly metrics: Metrics },
): Promise<History> {
  const { clock, log, metrics } = deps
  const lineage = await currentLineage(store, deps)
  metrics.set('chancery_store_restore_epoch', lineage.epoch)
  if (lineage.epoch > 0) log.info('store.epoch', { epoch: lineage.epoch, since: lineage.startedAt })
  if (!config.issuanceLog.enabled) return withoutLog(store)
  const { path, delay, keep } = config.issuanceLog
  const issuanceLog = await openIssuanceLog({
    folder: path,
    store,
    clock,
    log,
    metrics,
    delaySeconds: delay,
    keepSeconds: keep,
  })
  return {
    store: withLoggedEndings(store, issuanceLog, { clock, log }),
    checks: [{ name: 'issuance-log', check: async () => issuanceLog.problem() }],
    start(background, fail) {
      issuanceLog.start(fail)
      background.every('issuance-log', PRUNE_SECONDS, async () => {
        const files = await issuanceLog.prune()
        if (files > 0) log.info('issuance-log.pruned', { files })
      })
    },
    stop: () => issuanceLog.stop(),
  }
}

function withoutLog(store: Store): History {
  return { store, checks: [], start: () => undefined, stop: async () => undefined }
}

async function currentLineage(store: Store, { clock, random }: { readonly clock: Clock; readonly random: Random }) {
  await store.history.beginFirst(random.bytes(16).toString('hex'), clock.now())
  const lineage = (await store.history.lineages()).at(-1)
  if (lineage === undefined) throw new Error('the history of the store was begun and cannot be found')
  const mark = readMark(lineage)
  if (mark !== undefined) throw new StartError(explainMark(mark))
  if (lineage.finishedAt === undefined) {
    throw new StartError(
      'a restore of this database was begun and did not end; nothing may be served before. Run: chancery restore --in-place',
    )
  }
  return lineage
}
