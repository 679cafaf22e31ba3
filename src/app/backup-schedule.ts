import { mkdir } from 'node:fs/promises'
import type { ResolvedConfig } from '../config/read.ts'
import type { Clock } from '../lib/clock.ts'
import type { Logger } from '../observe/log.ts'
import type { Metrics } from '../observe/metrics.ts'
import type { Background } from './background.ts'
import { createBackup, newestBackup, pruneBackups } from './backup.ts'
import type { Home } from './home.ts'

/** Looked at so often whether a backup is due; one that failed is tried again then. */
const LOOK_SECONDS = 60

export interface BackupScheduleDeps {
  readonly home: Home
  readonly config: ResolvedConfig
  readonly version: string
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: Metrics
  readonly background: Background
}

/**
 * Makes a backup every `backup.every`, counted from the newest one that is there, so that a restart delays none. The end of
 * the server waits for none; the next start makes it.
 */
export function scheduleBackups({ home, config, version, clock, log, metrics, background }: BackupScheduleDeps): void {
  const { every, directory, keep, withKeys } = config.backup
  if (every === undefined) return
  const report = (at: Date): void =>
    metrics.set('chancery_backup_last_success_timestamp_seconds', Math.floor(at.getTime() / 1000))
  background.every('backup', LOOK_SECONDS, async (signal) => {
    await mkdir(directory, { recursive: true, mode: 0o700 })
    const last = await newestBackup(directory)
    if (last !== undefined) report(last)
    const now = clock.now()
    // One from a clock that was ahead keeps none from being made.
    if (last !== undefined && last <= now && now.getTime() - last.getTime() < every * 1000) return
    try {
      const { path, manifest } = await createBackup({ home, config, to: directory, withKeys, version, clock, signal })
      metrics.count('chancery_backups_total', { outcome: 'made' })
      report(manifest.createdAt)
      log.info('backup.made', { path, certificates: manifest.database?.counts['certificates'] })
      const removed = await pruneBackups(directory, keep, now)
      if (removed > 0) log.info('backup.pruned', { removed })
    } catch (error) {
      if (signal.aborted) return log.info('backup.cut-short')
      metrics.count('chancery_backups_total', { outcome: 'failed' })
      throw error
    }
  })
}
