import { readFile, stat } from 'node:fs/promises'
import type { ResolvedConfig } from '../config/read.ts'
import type { OftenOptions } from '../policy/language/often.ts'
import { readPolicyAside } from '../policy/language/read-aside.ts'
import {
  type LoadedPolicy,
  MAX_POLICY_BYTES,
  type PolicyContext,
  PolicyFileError,
  parsePolicyFile,
} from '../policy/language/read-policy.ts'
import type { RuleSource } from '../policy/language/schema.ts'
import { userName } from './file-owner.ts'

/** A policy file as it was read, fit to be in force. */
export interface ReadPolicyFile extends LoadedPolicy {
  readonly path: string
  readonly text: string
  /** `policy.author`, else the user that owns the file. */
  readonly author: string
}

/**
 * Reads the policy file of the configuration.
 *
 * @throws {PolicyFileError} when it cannot be read, or anything in it is wrong
 */
export async function readPolicyFile(
  config: Pick<ResolvedConfig, 'policy'>,
  context: PolicyContext & OftenOptions,
): Promise<ReadPolicyFile> {
  const { path, bytes, owner } = await readBytes(config)
  const loaded = await readPolicyAside(bytes, context).catch((error: unknown) => {
    throw error instanceof PolicyFileError ? new PolicyFileError(error.faults, path) : error
  })
  const author = config.policy.author ?? (await userName(owner))
  return { ...loaded, path, text: new TextDecoder().decode(bytes), author }
}

/**
 * The rules of the policy file, read as far as the schema; undefined where there is no file. For what needs to know the
 * names that may be issued, before anything is in force.
 *
 * @throws {PolicyFileError}
 */
export async function readPolicyRules(
  config: Pick<ResolvedConfig, 'policy'>,
): Promise<readonly RuleSource[] | undefined> {
  if (config.policy.file === undefined) return undefined
  const { bytes } = await readBytes(config)
  return parsePolicyFile(new TextDecoder().decode(bytes)).rules
}

async function readBytes({ policy }: Pick<ResolvedConfig, 'policy'>) {
  const path = policy.file
  if (path === undefined) throw new PolicyFileError(['policy.file is not set'])
  try {
    const { size, uid } = await stat(path)
    if (size > MAX_POLICY_BYTES) throw new PolicyFileError([`the file is larger than ${MAX_POLICY_BYTES >> 20} MiB`])
    return { path, bytes: await readFile(path), owner: uid }
  } catch (cause) {
    if (cause instanceof PolicyFileError) throw cause
    const reason = (cause as NodeJS.ErrnoException).code ?? String(cause)
    throw new PolicyFileError([`${path} cannot be read (${reason})`])
  }
}
