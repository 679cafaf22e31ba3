import { createHash } from 'node:crypto'
import { parseDocument } from 'yaml'
import { plainValue } from '../../config/yaml.ts'
import type { Policy } from '../decision.ts'
import type { ProfileTable } from '../rules/profile.ts'
import { runPolicyTests } from './policy-tests.ts'
import { createRulePolicy } from './rule-policy.ts'
import { type PolicyFile, policyFileSchema } from './schema.ts'

/** A policy file that is fit to be in force: read whole, every rule compiled, every test passed. */
export interface LoadedPolicy {
  readonly policy: Policy
  readonly file: PolicyFile
  /** First 16 hex digits of the SHA-256 of the file; in every decision. */
  readonly version: string
}

/** Why a policy file is refused, whole; one line for each fault. */
export class PolicyFileError extends Error {
  override readonly name = 'PolicyFileError'
  readonly faults: readonly string[]
  constructor(faults: readonly string[]) {
    super(faults.join('\n'))
    this.faults = faults
  }
}

const MAX_BYTES = 32 << 20

/**
 * Reads a policy file. It is taken whole or not at all: one unknown key, one rule that makes no sense, or one test of its
 * own that fails, and nothing of it holds (KF-G06).
 *
 * @param now for tests that name no instant
 * @throws {PolicyFileError}
 */
export async function readPolicy(
  text: string,
  { profiles, now }: { readonly profiles: ProfileTable; readonly now: Date },
): Promise<LoadedPolicy> {
  if (text.length > MAX_BYTES) throw new PolicyFileError([`the file is larger than ${MAX_BYTES >> 20} MiB`])
  const file = parse(text)
  const version = createHash('sha256').update(text).digest('hex').slice(0, 16)
  const policy = compile(file, version, profiles)
  const failures = await runPolicyTests(file.tests, policy, { profiles, now })
  if (failures.length > 0) throw new PolicyFileError(failures)
  return { policy, file, version }
}

function parse(text: string): PolicyFile {
  const document = parseDocument(text, { prettyErrors: true })
  const [error] = document.errors
  if (error !== undefined) throw new PolicyFileError([error.message])
  const plain = plainValue(document)
  if ('problem' in plain) throw new PolicyFileError([plain.problem])
  const parsed = policyFileSchema.safeParse(plain.value)
  if (parsed.success) return parsed.data
  throw new PolicyFileError(
    parsed.error.issues.map(({ path, message }) => `${pathText(path, plain.value)}: ${message}`),
  )
}

function compile(file: PolicyFile, version: string, profiles: ProfileTable): Policy {
  try {
    return createRulePolicy({ rules: file.rules, version, profiles })
  } catch (cause) {
    throw new PolicyFileError([cause instanceof Error ? cause.message : String(cause)])
  }
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
