import { Worker } from 'node:worker_threads'
import type { PostgresPlace } from '../postgres/long-transaction.ts'
import { StoreError } from '../store.ts'
import type { SnapshotFacts } from './snapshot.ts'

export interface SnapshotTask {
  /** The database to copy: a file, or one on a server; absent: `path` is a copy already. */
  readonly from?: string | PostgresPlace
  readonly path: string
}

export type SnapshotResult =
  | { readonly ok: true; readonly facts: SnapshotFacts }
  | { readonly ok: false; readonly code: StoreError['code']; readonly message: string }

/**
 * Copies a database and looks over the copy, or looks over a copy that is there, on a thread of its own: looking at
 * every page of a large database takes seconds, and a server has requests to answer meanwhile.
 *
 * @throws {StoreError}
 */
export async function snapshot(task: SnapshotTask): Promise<SnapshotFacts> {
  const worker = new Worker(new URL('./snapshot-worker.ts', import.meta.url), { workerData: task })
  const { promise, resolve, reject } = Promise.withResolvers<SnapshotResult>()
  worker.once('message', resolve)
  worker.once('error', reject)
  worker.once('exit', (code) => reject(new StoreError('failed', `the copy ended with ${code}`)))
  const result = await promise
  if (!result.ok) throw new StoreError(result.code, result.message)
  return result.facts
}
