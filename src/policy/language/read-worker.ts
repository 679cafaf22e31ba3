import { parentPort, workerData } from 'node:worker_threads'
import type { ReadPart, ReadTask } from './read-aside.ts'
import { PolicyFileError, readPolicy } from './read-policy.ts'

/** Unpacked by the other side in about a millisecond. */
const SENT_AT_ONCE = 100

/** The thread of `readPolicyAside`: reads one file, whole, with its tests, and hands it over in parts. */
async function work({ bytes, profiles, directories, now }: ReadTask): Promise<void> {
  const send = (part: ReadPart): void => parentPort?.postMessage(part)
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
    const { file, version } = await readPolicy(text, { profiles, now, ...(directories && { directories }) })
    for (let at = 0; at < file.rules.length; at += SENT_AT_ONCE)
      send({ kind: 'rules', rules: file.rules.slice(at, at + SENT_AT_ONCE) })
    for (let at = 0; at < file.tests.length; at += SENT_AT_ONCE)
      send({ kind: 'tests', tests: file.tests.slice(at, at + SENT_AT_ONCE) })
    send({ kind: 'good', version, description: file.description })
  } catch (error) {
    const fault = error instanceof Error ? error.message : String(error)
    send({ kind: 'bad', faults: error instanceof PolicyFileError ? error.faults : [fault] })
  }
}

await work(workerData as ReadTask)
