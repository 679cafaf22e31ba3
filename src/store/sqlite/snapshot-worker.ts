import { parentPort, workerData } from 'node:worker_threads'
import { systemClock } from '../../lib/clock.ts'
import { StoreError } from '../store.ts'
import { inspectSnapshot, sealSnapshot, takeSnapshot } from './snapshot.ts'
import type { SnapshotResult, SnapshotTask } from './snapshot-thread.ts'

/** The thread of `snapshot()`: does one task and says how it went. */
async function work({ from, path }: SnapshotTask): Promise<SnapshotResult> {
  try {
    if (typeof from === 'string') await takeSnapshot(from, path)
    else if (from !== undefined) {
      const { copyPostgresToFile } = await import('../copy/postgres-to-file.ts')
      await copyPostgresToFile(from, path, { clock: systemClock })
      await sealSnapshot(path)
    }
    return { ok: true, facts: inspectSnapshot(path) }
  } catch (error) {
    const code = error instanceof StoreError ? error.code : 'failed'
    return { ok: false, code, message: error instanceof Error ? error.message : String(error) }
  }
}

parentPort?.postMessage(await work(workerData as SnapshotTask))
