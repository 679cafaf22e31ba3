import { parentPort, workerData } from 'node:worker_threads'
import { StoreError } from '../store.ts'
import { inspectSnapshot, takeSnapshot } from './snapshot.ts'
import type { SnapshotResult, SnapshotTask } from './snapshot-thread.ts'

/** The thread of `snapshot()`: does one task and says how it went. */
async function work({ from, path }: SnapshotTask): Promise<SnapshotResult> {
  try {
    if (from !== undefined) await takeSnapshot(from, path)
    return { ok: true, facts: inspectSnapshot(path) }
  } catch (error) {
    const code = error instanceof StoreError ? error.code : 'failed'
    return { ok: false, code, message: error instanceof Error ? error.message : String(error) }
  }
}

parentPort?.postMessage(await work(workerData as SnapshotTask))
