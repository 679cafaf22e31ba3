import { type ASTNode, Environment } from '@marcbachmann/cel-js'
import type { PolicyRequest } from '../decision.ts'
import { usageName } from './usages.ts'

/** A condition in CEL (https://cel.dev) over the whole request; for what patterns and lists cannot say. */
export interface Condition {
  readonly text: string
  /** Facts that are not known before the certificate's bytes are: the condition is asked then, not at newOrder. */
  readonly isForIssuance: boolean
  /** @throws {ConditionError} when it cannot be evaluated, or would cost too much; the request is then refused */
  holds(request: PolicyRequest): boolean
}

export class ConditionError extends Error {
  override readonly name = 'ConditionError'
}

/** Parts of the condition that are looked at, at most: of its text, and when it runs over lists. */
const MAX_NODES = 300
const MAX_COST = 50_000

const LIMITS = { maxAstNodes: MAX_NODES, maxDepth: 32, maxListElements: 100, maxMapEntries: 50, maxCallArguments: 8 }

const environment = new Environment({ limits: LIMITS })
  .registerVariable('stage', 'string', { description: 'order or issuance' })
  .registerVariable('directory', 'string')
  .registerVariable('account', 'string', { description: 'id of the account' })
  .registerVariable('externalKey', 'string', { description: 'id of the external account key, or empty' })
  .registerVariable('groups', 'list<string>')
  .registerVariable('attributes', 'map<string, string>')
  .registerVariable('names', 'list<map<string, string>>', { description: 'each with `type` and `value`' })
  .registerVariable('profile', 'string')
  .registerVariable('lifetime', 'int', { description: 'seconds; 0 when none was asked for' })
  .registerVariable('usages', 'list<string>', { description: 'extended key usages by name' })
  .registerVariable('now', 'google.protobuf.Timestamp')
  .registerVariable('key', 'map<string, string>', { description: '`algorithm`, `bits`, `sha256`' })
  .registerVariable('proofs', 'list<map<string, string>>', { description: '`name`, `method`, `address` of each proof' })

const KNOWN_AT_ISSUANCE: ReadonlySet<string> = new Set(['key', 'proofs', 'usages'])
const LISTS = ['names', 'groups', 'proofs', 'usages'] as const
const MACROS: ReadonlySet<string> = new Set(['all', 'exists', 'exists_one', 'map', 'filter'])

/** @throws {Error} naming the fault */
export function compileCondition(text: string): Condition {
  const program = environment.parse(text)
  const check = program.check()
  if (!check.valid) throw new Error(firstLine(check.error?.message ?? 'it does not fit together'))
  if (check.type !== 'bool') throw new Error(`it must be true or false, but is of type ${check.type}`)
  const shape = measure(program.ast)
  const isForIssuance = [...KNOWN_AT_ISSUANCE].some((name) => shape.variables.has(name))
  return {
    text,
    isForIssuance,
    holds(request) {
      const facts = factsOf(request)
      const longest = Math.max(1, ...LISTS.map((list) => facts[list].length))
      if (shape.nodes * longest ** shape.loops > MAX_COST) throw new ConditionError('it would cost too much')
      let value: unknown
      try {
        value = program(facts)
      } catch (cause) {
        throw new ConditionError(firstLine(cause instanceof Error ? cause.message : String(cause)), { cause })
      }
      if (typeof value !== 'boolean') throw new ConditionError('it came out neither true nor false')
      return value
    },
  }
}

interface Shape {
  nodes: number
  /** How deep loops over lists stand within each other. */
  loops: number
  readonly variables: Set<string>
}

/** @throws {Error} for regular expressions, whose cost nobody can bound (KF-F11) */
function measure(root: ASTNode): Shape {
  const shape: Shape = { nodes: 0, loops: 0, variables: new Set() }
  const visit = (value: unknown, loops: number): void => {
    if (Array.isArray(value)) {
      for (const item of value) visit(item, loops)
      return
    }
    if (!isNode(value)) return
    shape.nodes++
    shape.loops = Math.max(shape.loops, loops)
    if (value.op === 'id') shape.variables.add(String(value.args))
    const called =
      (value.op === 'call' || value.op === 'rcall') && Array.isArray(value.args) ? value.args[0] : undefined
    if (called === 'matches') throw new Error('regular expressions are not used here; compare whole texts or parts')
    visit(value.args, typeof called === 'string' && MACROS.has(called) ? loops + 1 : loops)
  }
  visit(root, 0)
  return shape
}

function isNode(value: unknown): value is { readonly op: string; readonly args: unknown } {
  return typeof value === 'object' && value !== null && 'op' in value && 'args' in value
}

function factsOf(request: PolicyRequest) {
  const { requester, key, lifetimeSeconds, proofs = [], extendedKeyUsages = [] } = request
  const account = requester.kind === 'account' ? requester : undefined
  return {
    stage: request.stage,
    directory: account?.directory ?? '',
    account: account?.accountId ?? '',
    externalKey: account?.externalKey?.id ?? '',
    groups: [...(account?.externalKey?.groups ?? [])],
    attributes: { ...account?.externalKey?.attributes },
    names: request.names.map(({ type, value }) => ({ type, value })),
    profile: request.profile,
    lifetime: BigInt(lifetimeSeconds ?? 0),
    usages: extendedKeyUsages.map(usageName),
    now: request.at,
    key: key === undefined ? {} : { algorithm: key.algorithm, bits: String(key.bits), sha256: key.spkiSha256 },
    proofs: proofs.map(({ name, method, address }) => ({ name: name.value, method, address: address ?? '' })),
  }
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0] ?? text
}
