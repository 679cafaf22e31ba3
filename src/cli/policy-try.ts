import { accountStatus } from '../acme/state/account.ts'
import type { ResolvedConfig } from '../config/read.ts'
import { requesterOf } from '../enrollment/requester.ts'
import { oftenRulesOf, type PolicyInUse, readPolicyInUse } from '../explain/policy-in-use.ts'
import { decisionLines } from '../explain/story-text.ts'
import { parseId } from '../lib/ids.ts'
import { printable, printableJson } from '../lib/printable.ts'
import type { Policy, PolicyRequest, Requester } from '../policy/decision.ts'
import type { IssuedNames } from '../policy/language/often.ts'
import { decideExample } from '../policy/language/policy-tests.ts'
import { type PolicyTest, policyFileSchema } from '../policy/language/schema.ts'
import { isStopped } from '../store/eab-key.ts'
import { type Command, type CommandContext, CommandError, UsageError } from './command.ts'
import { findAccount } from './policy-effective.ts'
import { withStoreOnly } from './store-access.ts'

type Example = PolicyTest['request']

const LISTS = ['dns', 'ip', 'uri', 'email'] as const

export const command: Command = {
  details:
    'Decides a request that nobody made, as an order and then as the certificate of a client that does what the order\n' +
    'offers it, and issues nothing. The account of an id or URL is looked up, with its external account key and what its\n' +
    'names had; anything else is made up, and how often is not judged then. Exit code 0: allowed; 1: refused.',
  flags: {
    dns: { value: 'NAME', repeatable: true, help: 'a DNS name, `*.` in front for a wildcard' },
    ip: { value: 'ADDRESS', repeatable: true, help: 'an IP address' },
    uri: { value: 'URI', repeatable: true, help: 'a URI, such as spiffe://corp.test/ns/web' },
    email: { value: 'ADDRESS', repeatable: true, help: 'an e-mail address' },
    directory: { value: 'NAME', help: 'the ACME directory that is asked (default: default)' },
    account: { value: 'ID', help: 'who asks: the id or URL of an account' },
    'external-key': { value: 'ID', help: 'made up: the external account key of the account' },
    group: { value: 'NAME', repeatable: true, help: 'made up: a group of that key' },
    attribute: { value: 'NAME=VALUE', repeatable: true, help: 'made up: an attribute of that key' },
    profile: { value: 'NAME', help: "the profile (default: the directory's)" },
    key: { value: 'KIND', help: 'kind of the certificate key, such as P-256 or RSA-3072 (default: P-256)' },
    challenge: { value: 'METHOD', help: 'what the names were proved by (default: what the order would offer first)' },
    address: { value: 'ADDRESS', help: 'the address that the proof was read from' },
    lifetime: { value: 'TIME', help: 'the validity asked for, such as 24h (default: none)' },
    at: { value: 'TIME', help: 'when it is asked, such as 2027-01-01T00:00:00Z (default: now)' },
    file: { value: 'FILE', help: 'ask this file of rules instead of the policy in the configuration' },
    json: { help: 'print request and decision as one JSON object' },
  },
  run: async (context) => {
    const account = context.text('account')
    const isReal =
      account !== undefined && parseId('account', account.slice(account.lastIndexOf('/') + 1)) !== undefined
    if (!isReal) return tryRequest(context, await context.config(), { who: account === undefined ? {} : { account } })
    for (const flag of ['directory', 'external-key', 'group', 'attribute'])
      if (context.on(flag)) throw new UsageError(`--${flag} is known of account ${account}; leave one of the two out`)
    return withStoreOnly(context, async ({ config, store }) => {
      const record = await findAccount(store, config, account)
      if (accountStatus(record) !== 'valid' || isStopped(record, context.clock.now()))
        throw new CommandError(`account ${record.id} has ended or is stopped; it gets nothing`)
      const { directory, id } = record
      return tryRequest(context, config, {
        who: { directory, account: id },
        real: { requester: requesterOf(record), issuedNames: store.issuedNames },
      })
    })
  },
}

/** @param asking.real an account, with everything that is known of it; absent: made up as the flags say */
async function tryRequest(
  context: CommandContext,
  config: ResolvedConfig,
  asking: {
    readonly who: Partial<Example>
    readonly real?: { readonly requester: Requester; readonly issuedNames: IssuedNames }
  },
): Promise<number> {
  const { who, real } = asking
  const file = context.text('file')
  const now = context.clock.now()
  const inUse = await readPolicyInUse(config, {
    file: file && context.path(file),
    now,
    ...(real && { issuedNames: real.issuedNames }),
  })
  const directory = who.directory ?? context.text('directory') ?? 'default'
  const example = readExample(context, { ...who, directory, profile: profileOf(context, config, directory) })
  const { decision, request } = await decide(inUse, example, { now, requester: real?.requester })
  const oftenNotJudged = real === undefined ? oftenRulesOf(inUse, decision) : []
  if (context.on('json')) {
    context.out(
      printableJson({ policy: inUse.name, request, decision, ...(oftenNotJudged.length > 0 && { oftenNotJudged }) }),
    )
  } else {
    for (const line of decisionLines({ request, decision }, inUse.name)) context.out(printable(line))
    if (oftenNotJudged.length > 0)
      context.out(
        `Not judged: how often, of which rule ${oftenNotJudged.join(', ')} says something; with --account and the id of a real account it is`,
      )
  }
  return decision.outcome === 'allow' ? 0 : 1
}

function profileOf(context: CommandContext, config: ResolvedConfig, directory: string): string {
  const settings = config.directories[directory]
  if (settings === undefined)
    throw new UsageError(`there is no directory ${directory}; known: ${Object.keys(config.directories).join(', ')}`)
  return context.text('profile') ?? settings.profile
}

async function decide(
  inUse: PolicyInUse,
  example: Example,
  { now, requester }: { readonly now: Date; readonly requester: Requester | undefined },
): ReturnType<typeof decideExample> {
  const policy = inUse.of(example.directory)
  if (policy === undefined) throw new UsageError(`there is no directory ${example.directory}`)
  const real = (request: PolicyRequest): PolicyRequest =>
    requester === undefined ? request : { ...request, requester }
  const asked: Policy = { decide: (request) => policy.decide(real(request)) }
  try {
    const { decision, request } = await decideExample(example, asked, { profiles: inUse.profiles, now })
    return { decision, request: real(request) }
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
}

/** By the schema of examples in policy files, so that both are read alike. @throws {UsageError} */
function readExample(context: CommandContext, who: Partial<Example>): Example {
  const given: Record<string, unknown> = { ...who }
  for (const [flag, member] of [
    ['external-key', 'externalKey'],
    ['key', 'key'],
    ['challenge', 'challenge'],
    ['address', 'address'],
    ['lifetime', 'lifetime'],
    ['at', 'at'],
  ] as const) {
    const text = context.text(flag)
    if (text !== undefined) given[member] = text
  }
  for (const member of LISTS) if (context.list(member).length > 0) given[member] = context.list(member)
  if (context.list('group').length > 0) given['groups'] = context.list('group')
  if (context.list('attribute').length > 0) given['attributes'] = readAttributes(context.list('attribute'))
  const file = { version: 1, rules: [], tests: [{ name: 'try', request: given, expect: 'allow' }] }
  const parsed = policyFileSchema.safeParse(file)
  const [test] = parsed.data?.tests ?? []
  if (test !== undefined) return test.request
  const faults = (parsed.error?.issues ?? []).map(({ path, message }) => `${path.slice(3).join('.')}: ${message}`)
  throw new UsageError(faults.join('; '))
}

function readAttributes(texts: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    texts.map((text) => {
      const equals = text.indexOf('=')
      if (equals < 1) throw new UsageError(`--attribute ${JSON.stringify(text)} must be NAME=VALUE`)
      return [text.slice(0, equals), text.slice(equals + 1)]
    }),
  )
}
