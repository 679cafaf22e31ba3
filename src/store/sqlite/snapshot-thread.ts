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
 * @param signal ends the thread, wherever it is; what it wrote is then worth nothing
 * @throws {StoreError} `busy` when it was ended so
 */
export async function snapshot(task: SnapshotTask, signal?: AbortSignal): Promise<SnapshotFacts> {
  const worker = new Worker(new URL('./snapshot-worker.ts', import.meta.url), { workerData: task })
  const { promise, resolve, reject } = Promise.withResolvers<SnapshotResult>()
  worker.once('message', resolve)
  worker.once('error', reject)
  worker.once('exit', (code) =>
    reject(
      signal?.aborted === true
        ? new StoreError('busy', 'the copy was cut short')
        : new StoreError('failed', `the copy ended with ${code}`),
    ),
  )
  const end = (): void => void worker.terminate()
  signal?.addEventListener('abort', end)
  if (signal?.aborted === true) end()
  try {
    const result = await promise
    if (!result.ok) throw new StoreError(result.code, result.message)
    return result.facts
  } finally {
    signal?.removeEventListener('abort', end)
  }
}
