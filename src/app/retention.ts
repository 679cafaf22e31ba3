import type { Config } from '../config/schema.ts'
import type { Clock } from '../lib/clock.ts'
import type { Logger } from '../observe/log.ts'
import type { Metrics } from '../observe/metrics.ts'
import type { RetentionPolicy, Store } from '../store/store.ts'
import { createDeletionTime } from './deletion-time.ts'

/** Rows deleted at a time, and the pause after them, so that a sweep never holds up issuance (KF-E11). */
export const SWEEP_BATCH = 500
const SWEEP_PAUSE_MS = 100

export interface RetentionDeps {
  readonly config: Pick<Config, 'retention'>
  readonly store: Pick<Store, 'retention'>
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: Metrics
}

export function retentionPolicy({ retention }: Pick<Config, 'retention'>): RetentionPolicy {
  return {
    finalOrdersSeconds: retention.finalOrders,
    expiredCertificatesSeconds: retention.expiredCertificates,
    unusedAccountsSeconds: retention.unusedAccounts,
    spentEabKeysSeconds: retention.spentEabKeys,
    auditSeconds: retention.audit,
    decisionsSeconds: retention.decisions,
  }
}

/** @returns one round of deletion: everything that is past its time, in small batches with pauses between them */
export function createRetention(deps: RetentionDeps): (signal: AbortSignal) => Promise<void> {
  const { store, clock, log, metrics } = deps
  const policy = retentionPolicy(deps.config)
  const deletionTime = createDeletionTime(clock)
  return async (signal) => {
    let total = 0
    while (!signal.aborted) {
      const deleted = await store.retention.sweep(policy, { now: deletionTime(), batch: SWEEP_BATCH })
      if (deleted === 0) break
      total += deleted
      metrics.count('chancery_rows_deleted_total', {}, deleted)
      await clock.sleep(SWEEP_PAUSE_MS, signal)
    }
    if (total > 0) log.info('retention.swept', { rows: total })
  }
}
