import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { type Document, isMap, isScalar, LineCounter, parseDocument } from 'yaml'
import type { z } from 'zod'
import { type PostgresAddress, type PostgresSettings, parsePostgresUrl } from '../store/postgres/options.ts'
import { checkConfig } from './checks.ts'
import { ConfigError } from './config-error.ts'
import { suggestKey } from './known-keys.ts'
import { type Config, configSchema, DEFAULT_POLICY_ADDRESSES, DEFAULT_POLICY_NAMES } from './schema.ts'
import { applySetOption, parseSetOption } from './set-option.ts'
import { plainValue } from './yaml.ts'

/** The configuration with what the schema leaves open decided: addresses, paths, and the names that are always there. */
export type ResolvedConfig = Omit<Config, 'publicUrl' | 'publicHttpUrl'> & {
  /** Without a slash at the end. */
  readonly publicUrl: string
  /** Without a slash at the end. */
  readonly publicHttpUrl: string
  /** Where the records are kept. */
  readonly database: DatabaseConfig
  /** The file that was read; absent when there was none. */
  readonly file?: string
}

export type DatabaseConfig =
  /** `path` is absolute. */
  | { readonly engine: 'sqlite'; readonly path: string }
  | { readonly engine: 'postgres'; readonly address: PostgresAddress; readonly settings: PostgresSettings }

export interface ConfigSource {
  /** The state folder; relative paths in the configuration start here. */
  readonly home: string
  /** A file that must exist. Without it `chancery.yaml` in the state folder is read if it is there. */
  readonly file?: string | undefined
  /** Texts of `--set`, applied in order over the file. */
  readonly set?: readonly string[] | undefined
}

/** Largest configuration file read, in bytes. */
const MAX_FILE_BYTES = 1 << 20

/**
 * Reads and checks the whole configuration.
 *
 * @throws {ConfigError} listing every problem found at once
 */
export async function readConfig(source: ConfigSource): Promise<ResolvedConfig> {
  const file = source.file === undefined ? join(source.home, 'chancery.yaml') : resolve(source.file)
  const text = await readText(file, source.file !== undefined)
  const lines = new LineCounter()
  const document = parseDocument(text ?? '', { version: '1.2', uniqueKeys: true, lineCounter: lines })
  const faults = [...document.errors, ...document.warnings]
  if (faults.length > 0) throw new ConfigError(faults.map((fault) => `${file}: ${fault.message}`))
  const raw = toMap(document, file)
  const options = (source.set ?? []).map(parseSetOption)
  for (const option of options) applySetOption(raw, option)
  const mixed = mixedPolicies(raw)
  addBuiltIns(raw)

  const parsed = configSchema.safeParse(raw)
  if (!parsed.success) {
    const locate = (path: readonly PropertyKey[]): string => {
      const bySet = options.some((option) => startsWith(path, option.path) || startsWith(option.path, path))
      if (bySet) return '--set'
      const offset = keyOffset(document, path)
      return offset === undefined ? file : `${file}:${lines.linePos(offset).line}`
    }
    throw new ConfigError(parsed.error.issues.flatMap((issue) => explain(issue, locate)))
  }

  const config = resolveConfig(parsed.data, source.home, text === undefined ? undefined : file)
  const problems = [...mixed, ...checkConfig(config)]
  if (problems.length > 0) throw new ConfigError(problems)
  return config
}

async function readText(file: string, required: boolean): Promise<string | undefined> {
  try {
    const bytes = await readFile(file)
    if (bytes.length > MAX_FILE_BYTES) throw new ConfigError([`${file}: larger than ${MAX_FILE_BYTES} bytes`])
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (error) {
    if (error instanceof ConfigError) throw error
    const code = (error as NodeJS.ErrnoException).code
    if (code === 'ENOENT' && !required) return undefined
    if (code === 'ENOENT') throw new ConfigError([`${file}: there is no such file`])
    throw new ConfigError([`${file}: cannot be read (${error instanceof Error ? error.message : String(error)})`], {
      cause: error,
    })
  }
}

function toMap(document: Document.Parsed, file: string): Record<string, unknown> {
  const plain = plainValue(document)
  if ('problem' in plain) throw new ConfigError([`${file}: ${plain.problem}`])
  const { value } = plain
  if (value === null || value === undefined) return {}
  if (typeof value !== 'object' || Array.isArray(value)) throw new ConfigError([`${file}: must be a map of keys`])
  return value as Record<string, unknown>
}

/**
 * The directory, profile and policy that are always there, whatever others are named. The built-in policy keeps its
 * allow lists until `policies.default.allow` is given.
 */
function addBuiltIns(raw: Record<string, unknown>): void {
  const mapAt = (parent: Record<string, unknown>, key: string): Record<string, unknown> | undefined => {
    const value = parent[key]
    if (value === undefined || value === null) {
      const made: Record<string, unknown> = {}
      parent[key] = made
      return made
    }
    // Anything else is left for the schema to refuse.
    return typeof value === 'object' && !Array.isArray(value) ? (value as Record<string, unknown>) : undefined
  }
  const directories = mapAt(raw, 'directories')
  if (directories !== undefined) mapAt(directories, 'default')
  const profiles = mapAt(raw, 'profiles')
  if (profiles !== undefined) mapAt(profiles, 'server')
  // Rules of a file decide instead, and nothing of these is in effect.
  if (hasPolicyFile(raw)) raw['policies'] = {}
  const policies = hasPolicyFile(raw) ? undefined : mapAt(raw, 'policies')
  const policy = policies === undefined ? undefined : mapAt(policies, 'default')
  if (policy !== undefined && (policy['allow'] === undefined || policy['allow'] === null)) {
    policy['allow'] = { dns: [...DEFAULT_POLICY_NAMES], ip: [...DEFAULT_POLICY_ADDRESSES] }
  }
}

/** Two sources of rules, of which one would silently not count, stop the start (KF-G06). */
function mixedPolicies(raw: Record<string, unknown>): string[] {
  if (!hasPolicyFile(raw)) return []
  const problems: string[] = []
  const { policies, directories } = raw
  const advice = 'with policy.file the rules of that file decide for every directory; leave one of the two out'
  if (policies !== undefined && policies !== null) problems.push(`policies: ${advice}`)
  if (!isMapOfKeys(directories)) return problems
  for (const [name, directory] of Object.entries(directories)) {
    if (isMapOfKeys(directory) && directory['policy'] !== undefined)
      problems.push(`directories.${name}.policy: ${advice}`)
  }
  return problems
}

function hasPolicyFile(raw: Record<string, unknown>): boolean {
  const { policy } = raw
  return isMapOfKeys(policy) && policy['file'] !== undefined && policy['file'] !== null
}

function isMapOfKeys(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function resolveConfig(config: Config, home: string, file: string | undefined): ResolvedConfig {
  const port = (address: string): string => address.slice(address.lastIndexOf(':') + 1)
  const addresses = {
    publicUrl: withoutSlash(config.publicUrl ?? `https://localhost:${port(config.listeners.acme)}`),
    formerPublicUrls: config.formerPublicUrls.map(withoutSlash),
    publicHttpUrl: withoutSlash(config.publicHttpUrl ?? `http://localhost:${port(config.listeners.public)}`),
  }
  const { passphraseFile } = config.keys
  return {
    // Here for their place at the head, and below because they win.
    ...addresses,
    ...config,
    ...addresses,
    database: databaseOf(config.store, home),
    issuanceLog: { ...config.issuanceLog, path: resolve(home, config.issuanceLog.path) },
    backup: { ...config.backup, directory: resolve(home, config.backup.directory) },
    keys: passphraseFile === undefined ? {} : { passphraseFile: resolve(home, passphraseFile) },
    policy: {
      ...config.policy,
      ...(config.policy.file !== undefined && { file: resolve(home, config.policy.file) }),
      blocklistFiles: config.policy.blocklistFiles.map((path) => resolve(home, path)),
    },
    policies: Object.fromEntries(
      Object.entries(config.policies).map(([name, policy]) => {
        const blocklistFiles = policy.keys.blocklistFiles.map((path) => resolve(home, path))
        return [name, { ...policy, keys: { ...policy.keys, blocklistFiles } }]
      }),
    ),
    ...(file === undefined ? {} : { file }),
  }
}

/** @throws {ConfigError} when the URL of a database server cannot be used */
function databaseOf({ url = 'sqlite:chancery.db', postgres }: Config['store'], home: string): DatabaseConfig {
  if (url.startsWith('sqlite:')) return { engine: 'sqlite', path: resolve(home, url.slice('sqlite:'.length)) }
  const address = parsePostgresUrl(url)
  if (typeof address === 'string') throw new ConfigError([`store.url: ${address}`])
  const file = (path: string | undefined): string | undefined => (path === undefined ? undefined : resolve(home, path))
  const { passwordFile, caFile, certFile, keyFile } = postgres
  return {
    engine: 'postgres',
    address,
    settings: {
      ...postgres,
      passwordFile: file(passwordFile),
      caFile: file(caFile),
      certFile: file(certFile),
      keyFile: file(keyFile),
    },
  }
}

const withoutSlash = (url: string): string => url.replace(/\/$/, '')

function startsWith(path: readonly PropertyKey[], head: readonly PropertyKey[]): boolean {
  return head.length <= path.length && head.every((part, index) => part === path[index])
}

function explain(issue: z.core.$ZodIssue, locate: (path: readonly PropertyKey[]) => string): string[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => {
      const path = [...issue.path, key]
      return `${locate(path)}: unknown key ${dotted(path)}; ${suggestKey(issue.path, key)}`
    })
  }
  if (issue.code === 'invalid_union') {
    const inner = issue.errors.flat().filter((one) => one.code !== 'invalid_type')[0]
    return [`${locate(issue.path)}: ${dotted(issue.path)}: ${inner?.message ?? issue.message}`]
  }
  if (issue.code === 'invalid_key') {
    return [
      `${locate(issue.path)}: ${dotted(issue.path)}: this name cannot be used (${issue.issues[0]?.message ?? issue.message})`,
    ]
  }
  return [`${locate(issue.path)}: ${dotted(issue.path)}: ${issue.message}`]
}

function dotted(path: readonly PropertyKey[]): string {
  return path.length === 0
    ? 'the configuration'
    : path.map((part) => (String(part).includes('.') ? `"${String(part)}"` : String(part))).join('.')
}

/** Where the key of this path (or its nearest parent in the file) stands, as a character offset. */
function keyOffset(document: Document, path: readonly PropertyKey[]): number | undefined {
  let node: unknown = document.contents
  let found: number | undefined
  for (const part of path) {
    if (!isMap(node)) break
    const pair = node.items.find((item) => isScalar(item.key) && String(item.key.value) === String(part))
    if (pair === undefined) break
    if (isScalar(pair.key) && pair.key.range) found = pair.key.range[0]
    node = pair.value
  }
  return found
}
