import { parentPort, workerData } from 'node:worker_threads'
import type { ThreadAnswer } from './checkpoint-thread.ts'
import { COPY } from './checkpointer.ts'
import { connectSqlite, prepareCheckpoints } from './connection.ts'

// A thread that copies the write-ahead log into the database whenever it is asked to, and ends on `close`.
const connection = connectSqlite(workerData.path, { readOnly: false })
prepareCheckpoints(connection)

parentPort?.on('message', (asked: 'copy' | 'close') => {
  if (asked === 'copy') return parentPort?.postMessage(copy())
  connection.close()
  parentPort?.close()
})

function copy(): ThreadAnswer {
  try {
    connection.exec(COPY)
    return {}
  } catch (error) {
    const { message, errcode } = error as Error & { errcode?: number }
    return { error: { message, errcode } }
  }
}
