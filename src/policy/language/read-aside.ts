import { Worker } from 'node:worker_threads'
import type { ProfileTable } from '../rules/profile.ts'
import type { OftenOptions } from './often.ts'
import { compilePolicy, type LoadedPolicy, type PolicyContext, PolicyFileError } from './read-policy.ts'
import type { PolicyFile, PolicyTest, RuleSource } from './schema.ts'

/** What the thread is given. */
export interface ReadTask {
  readonly bytes: Uint8Array
  readonly profiles: ProfileTable
  readonly directories: ReadonlySet<string> | undefined
  readonly now: Date
}

/** What it says, in this order; a file comes in parts, because a whole one would be unpacked in one go. */
export type ReadPart =
  | { readonly kind: 'rules'; readonly rules: readonly RuleSource[] }
  | { readonly kind: 'tests'; readonly tests: readonly PolicyTest[] }
  | { readonly kind: 'good'; readonly version: string; readonly description: string }
  | { readonly kind: 'bad'; readonly faults: readonly string[] }

/**
 * `readPolicy` for a server that has requests to answer: ten thousand rules take a second to read and to test, which a
 * thread of its own spends. Only the last step is done here, a little at a time (KF-F15).
 *
 * @throws {PolicyFileError}
 */
export async function readPolicyAside(
  bytes: Uint8Array,
  { directories, now, ...context }: PolicyContext & OftenOptions,
): Promise<LoadedPolicy> {
  const { profiles } = context
  const task: ReadTask = {
    bytes,
    profiles: new Map([...profiles].map(([name, facts]) => [name, plainFacts(facts)])),
    directories,
    now,
  }
  const worker = new Worker(new URL('./read-worker.ts', import.meta.url), { workerData: task })
  const { promise, resolve, reject } = Promise.withResolvers<{ file: PolicyFile; version: string }>()
  const rules: RuleSource[] = []
  const tests: PolicyTest[] = []
  worker.on('message', (part: ReadPart) => {
    switch (part.kind) {
      case 'rules':
        rules.push(...part.rules)
        break
      case 'tests':
        tests.push(...part.tests)
        break
      case 'good':
        resolve({ file: { version: 1, description: part.description, rules, tests }, version: part.version })
        break
      case 'bad':
        reject(new PolicyFileError(part.faults))
        break
      default:
        part satisfies never
    }
  })
  worker.once('error', (error) => reject(new PolicyFileError([error instanceof Error ? error.message : String(error)])))
  worker.once('exit', (code) => reject(new PolicyFileError([`the thread that read it ended with ${code}`])))
  const { file, version } = await promise
  return compilePolicy(file, version, context)
}

function plainFacts({
  lifetimeSeconds,
  maxLifetimeSeconds,
  extendedKeyUsages,
}: ReturnType<ProfileTable['get']> & object) {
  return { lifetimeSeconds, maxLifetimeSeconds, extendedKeyUsages: [...extendedKeyUsages] }
}
