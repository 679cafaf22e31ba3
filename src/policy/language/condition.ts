import { Environment } from '@marcbachmann/cel-js'
import type { PolicyRequest } from '../decision.ts'
import { usageName } from './usages.ts'

/** A condition in CEL (https://cel.dev) over the whole request; for what patterns and lists cannot say. */
export interface Condition {
  readonly text: string
  /** Facts that are not known before the certificate's bytes are: the condition is asked then, not at newOrder. */
  readonly isForIssuance: boolean
  /**
   * @param budget what it costs is taken from here
   * @throws {ConditionError} when it cannot be evaluated, or would cost too much; the request is then refused
   */
  holds(request: PolicyRequest, budget: Budget): boolean
}

/** What all conditions of one decision may cost together, in parts looked at; about 10 ms. */
export interface Budget {
  left: number
}

export function newBudget(): Budget {
  return { left: MAX_COST_OF_DECISION }
}

export class ConditionError extends Error {
  override readonly name = 'ConditionError'
}

/** Parts of the condition that are looked at, at most: of its text, and when it runs over lists. */
const MAX_NODES = 300
const MAX_COST = 50_000
const MAX_COST_OF_DECISION = 500_000

const LIMITS = { maxAstNodes: MAX_NODES, maxDepth: 32, maxListElements: 100, maxMapEntries: 50, maxCallArguments: 8 }

/** What a condition may speak of: type in CEL, meaning, and whether it is known at newOrder already. */
export const VARIABLES = {
  stage: { type: 'string', meaning: '`order`, or `issuance` when the bytes are looked at', early: true },
  directory: { type: 'string', meaning: 'the ACME directory', early: true },
  account: { type: 'string', meaning: 'id of the account', early: true },
  externalKey: { type: 'string', meaning: 'id of the external account key, or empty', early: true },
  groups: { type: 'list<string>', meaning: 'groups of the external account key', early: true },
  attributes: { type: 'map<string, string>', meaning: 'attributes of the external account key', early: true },
  names: {
    type: 'list<map<string, string>>',
    meaning: 'all names asked for, each with `type` and `value`',
    early: true,
  },
  profile: { type: 'string', meaning: 'the profile', early: true },
  lifetime: { type: 'int', meaning: 'seconds; 0 at newOrder when none was asked for', early: true },
  now: { type: 'google.protobuf.Timestamp', meaning: 'when it is decided', early: true },
  key: {
    type: 'map<string, string>',
    meaning: '`algorithm`, `bits` and `sha256` of the certificate key',
    early: false,
  },
  usages: { type: 'list<string>', meaning: 'extended key usages by name', early: false },
  subject: { type: 'list<map<string, string>>', meaning: 'subject: `attribute` and `value` each', early: false },
  policies: { type: 'list<string>', meaning: 'certificate policies by object identifier', early: false },
  proofs: {
    type: 'list<map<string, string>>',
    meaning: '`name`, `method` and `address` (empty where none was asked) of each proof',
    early: false,
  },
} as const

const environment = new Environment({ limits: LIMITS })
for (const [name, { type, meaning }] of Object.entries(VARIABLES))
  environment.registerVariable(name, type, { description: meaning })

const MACROS: ReadonlySet<string> = new Set(['all', 'exists', 'exists_one', 'map', 'filter'])

/** @throws {Error} naming the fault */
export function compileCondition(text: string): Condition {
  const program = environment.parse(text)
  const check = program.check()
  if (!check.valid) throw new Error(firstLine(check.error?.message ?? 'it does not fit together'))
  if (check.type !== 'bool') throw new Error(`it must be true or false, but is of type ${check.type}`)
  const variables = new Set<string>()
  const costOf = measure(program.ast, variables)
  if (costOf(() => 1) > MAX_COST) throw new Error('it would cost too much; say it with patterns, or in several rules')
  return {
    text,
    isForIssuance: Object.entries(VARIABLES).some(([name, { early }]) => !early && variables.has(name)),
    holds(request, budget) {
      const facts = knownFacts(request)
      const cost = costOf((name) => sizeOf(facts, name))
      budget.left -= cost
      if (cost > MAX_COST || budget.left < 0) throw new ConditionError('it would cost too much')
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

/** What a part of a condition costs at most, by how many members each variable has. */
type Cost = (sizeOf: (variable: string) => number) => number

/** Members of a list that comes of a function, such as the labels of a name. */
const UNKNOWN_SIZE = 256

/** @throws {Error} for regular expressions, whose cost nobody can bound (KF-F11) */
function measure(node: unknown, variables: Set<string>): Cost {
  if (Array.isArray(node)) {
    const costs = node.map((item) => measure(item, variables))
    return (sizeOf) => costs.reduce((sum, cost) => sum + cost(sizeOf), 0)
  }
  if (!isNode(node)) return () => 0
  const { op, args } = node
  if (op === 'id') {
    const name = String(args)
    variables.add(name)
    return (sizeOf) => sizeOf(name)
  }
  const [called, receiver, parameters] =
    (op === 'call' || op === 'rcall') && Array.isArray(args) ? (args as readonly unknown[]) : []
  if (called === 'matches') throw new Error('regular expressions are not used here; compare whole texts or parts')
  if (typeof called !== 'string' || !MACROS.has(called) || op !== 'rcall') {
    const inner = measure(args, variables)
    return (sizeOf) => 1 + inner(sizeOf)
  }
  const looped = measure(receiver, variables)
  const body = measure(parameters, variables)
  const times = lengthOf(receiver)
  return (sizeOf) => 1 + looped(sizeOf) + Math.max(1, times(sizeOf)) * (1 + body(sizeOf))
}

function lengthOf(list: unknown): Cost {
  if (!isNode(list)) return () => UNKNOWN_SIZE
  if (list.op === 'id') return (sizeOf) => sizeOf(String(list.args))
  if (list.op === 'list' && Array.isArray(list.args)) {
    const { length } = list.args
    return () => length
  }
  return () => UNKNOWN_SIZE
}

function sizeOf(facts: ReturnType<typeof factsOf>, variable: string): number {
  const fact: unknown = Object.hasOwn(facts, variable) ? facts[variable as keyof typeof facts] : undefined
  if (Array.isArray(fact)) return Math.max(1, fact.length)
  return variable === 'attributes' ? Math.max(1, Object.keys(facts.attributes).length) : 1
}

function isNode(value: unknown): value is { readonly op: string; readonly args: unknown } {
  return typeof value === 'object' && value !== null && 'op' in value && 'args' in value
}

/** Many rules may ask about the same request. */
const known = new WeakMap<PolicyRequest, ReturnType<typeof factsOf>>()

function knownFacts(request: PolicyRequest): ReturnType<typeof factsOf> {
  let facts = known.get(request)
  if (facts === undefined) {
    facts = factsOf(request)
    known.set(request, facts)
  }
  return facts
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
    subject: (request.subject ?? []).map(({ attribute, value }) => ({ attribute, value })),
    policies: [...(request.certificatePolicies ?? [])],
    proofs: proofs.map(({ name, method, address }) => ({ name: name.value, method, address: address ?? '' })),
  }
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0] ?? text
}
