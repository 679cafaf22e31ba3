import { createHash } from 'node:crypto'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { parseDocument } from 'yaml'
import { plainValue } from '../../config/yaml.ts'
import type { Policy } from '../decision.ts'
import type { ProfileTable } from '../rules/profile.ts'
import type { OftenOptions } from './often.ts'
import { PolicyFileError } from './policy-file-error.ts'
import { runPolicyTests } from './policy-tests.ts'
import { type CompiledRules, compileEach } from './rule-book.ts'
import { createRulePolicy } from './rule-policy.ts'
import { type PolicyFile, policyFileSchema } from './schema.ts'
import { unknownReferences } from './unknown-references.ts'

/** A policy file that is fit to be in force: read whole, every rule compiled, every test passed. */
export interface LoadedPolicy {
  readonly policy: Policy
  readonly file: PolicyFile
  readonly rules: CompiledRules
  /** SHA-256 of the file in hex; in every decision. */
  readonly version: string
}

export interface PolicyContext {
  readonly profiles: ProfileTable
  /** Names of directories that rules may speak of; absent: any. */
  readonly directories?: ReadonlySet<string>
  /** For tests that name no instant. */
  readonly now: Date
}

export { PolicyFileError }

export const MAX_POLICY_BYTES = 32 << 20

/** Rules compiled before others get their turn; well under 5 ms. */
const COMPILED_AT_ONCE = 20

/**
 * Reads a policy file, as if nothing had been issued yet. It is taken whole or not at all: one unknown key, one rule that makes no sense, or one test of its
 * own that fails, and nothing of it holds (KF-G06).
 *
 * @throws {PolicyFileError}
 */
export async function readPolicy(text: string, context: PolicyContext): Promise<LoadedPolicy> {
  const file = parsePolicyFile(text)
  const loaded = await compilePolicy(file, versionOf(text), { profiles: context.profiles })
  const failures = [...unknownReferences(file, context), ...(await runPolicyTests(file.tests, loaded.policy, context))]
  if (failures.length > 0) throw new PolicyFileError(failures)
  return loaded
}

/** What names a policy file: the SHA-256 of its text, in hex. */
export function versionOf(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

/**
 * The second half of `readPolicy`, for a file that passed the first elsewhere; gives way to others while it works.
 *
 * @throws {PolicyFileError}
 */
export async function compilePolicy(
  file: PolicyFile,
  version: string,
  { profiles, ...often }: Pick<PolicyContext, 'profiles'> & OftenOptions,
): Promise<LoadedPolicy> {
  try {
    const work = compileEach(file.rules)
    for (let done = 1; ; done++) {
      const step = work.next()
      if (step.done) {
        const policy = createRulePolicy({ books: step.value, version, profiles, ...often })
        return { policy, file, rules: step.value, version }
      }
      if (done % COMPILED_AT_ONCE === 0) await nextTurn()
    }
  } catch (cause) {
    throw new PolicyFileError([cause instanceof Error ? cause.message : String(cause)])
  }
}

/** @throws {PolicyFileError} naming every place that is not as the schema says */
export function parsePolicyFile(text: string): PolicyFile {
  if (Buffer.byteLength(text) > MAX_POLICY_BYTES)
    throw new PolicyFileError([`the file is larger than ${MAX_POLICY_BYTES >> 20} MiB`])
  const document = parseDocument(text, { version: '1.2', uniqueKeys: true })
  const faults = [...document.errors, ...document.warnings]
  if (faults.length > 0) throw new PolicyFileError(faults.map(({ message }) => message))
  const plain = plainValue(document)
  if ('problem' in plain) throw new PolicyFileError([plain.problem])
  const parsed = policyFileSchema.safeParse(plain.value)
  if (parsed.success) return parsed.data
  throw new PolicyFileError(
    parsed.error.issues.map(({ path, message }) => `${pathText(path, plain.value)}: ${message}`),
  )
}

/** `rules[3] (team-a).names.dns`, so that the rule is found by its name too. */
function pathText(path: readonly PropertyKey[], root: unknown): string {
  let at = root
  let text = ''
  for (const step of path) {
    at = typeof at === 'object' && at !== null ? (at as Record<PropertyKey, unknown>)[step] : undefined
    text += typeof step === 'number' ? `[${step}]` : `${text === '' ? '' : '.'}${String(step)}`
    const name =
      typeof at === 'object' && at !== null && typeof step === 'number' ? (at as { name?: unknown }).name : undefined
    if (typeof name === 'string') text += ` (${name.slice(0, 80)})`
  }
  return text === '' ? 'the file' : text
}
