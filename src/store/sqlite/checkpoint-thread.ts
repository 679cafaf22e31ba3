import { Worker } from 'node:worker_threads'
import { type CheckpointThread, ThreadLost } from './checkpointer.ts'

/** What the thread answers: nothing, or why it could not copy, as node:sqlite said it. */
export type ThreadAnswer = { readonly error?: { readonly message: string; readonly errcode: number | undefined } }

interface Waiting {
  resolve(): void
  reject(error: Error): void
}

/** Starts a thread with a connection of its own. It never keeps the process alive. */
export function startCheckpointThread(path: string): CheckpointThread {
  const worker = new Worker(new URL('./checkpoint-worker.ts', import.meta.url), { workerData: { path } })
  worker.unref()
  const waiting: Waiting[] = []
  let ended: ThreadLost | undefined
  const exit = new Promise<void>((resolve) => worker.once('exit', () => resolve()))
  const end = (cause?: unknown): void => {
    ended ??= new ThreadLost('the thread that copies the write-ahead log ended', { cause })
    for (const { reject } of waiting.splice(0)) reject(ended)
  }
  worker.on('message', ({ error }: ThreadAnswer) => {
    const next = waiting.shift()
    if (error === undefined) next?.resolve()
    else next?.reject(Object.assign(new Error(error.message), { errcode: error.errcode }))
  })
  worker.on('error', end)
  worker.on('exit', () => end())
  return {
    copy: () =>
      new Promise((resolve, reject) => {
        if (ended !== undefined) return reject(ended)
        waiting.push({ resolve, reject })
        worker.postMessage('copy')
      }),
    async close() {
      if (ended !== undefined) return
      worker.ref()
      worker.postMessage('close')
      await exit
    },
  }
}
