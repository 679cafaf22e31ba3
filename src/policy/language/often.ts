import { quote } from '../../lib/quote.ts'
import type { IssuedNameStore, NameHistory } from '../../store/issued-names.ts'
import type { CountedName, PolicyRequest, Reason, RequestedName } from '../decision.ts'
import type { Rule } from './rule.ts'

/** Tells which certificates a name had. */
export type IssuedNames = Pick<IssuedNameStore, 'look'>

export interface OftenOptions {
  /** Absent: nothing was issued yet, as in the examples of a file. */
  readonly issuedNames?: IssuedNames
  /** Issuing CAs by id of which every certificate is to be renewed at once. */
  readonly replacedIssuers?: ReadonlySet<string>
}

export type OftenVerdict =
  | { readonly rules: readonly Rule[]; readonly counted: CountedName }
  | { readonly refused: Reason }

interface Wait {
  readonly rule: Rule
  readonly until: Date
  readonly detail: string
}

/**
 * Whether it is time again for a name. Rules that say nothing of how often need no look at the past; of the others one
 * must have its time.
 *
 * @throws {StoreError} when the past cannot be looked at
 */
export async function timeFor(
  name: RequestedName,
  rules: readonly Rule[],
  request: PolicyRequest,
  { issuedNames, replacedIssuers }: OftenOptions,
): Promise<OftenVerdict> {
  const key = `${name.type}:${name.value}`
  const free = rules.filter((rule) => rule.source.often === undefined)
  if (free.length > 0 || issuedNames === undefined)
    return { rules: free.length > 0 ? free : rules, counted: { name: key } }
  const waits: Wait[] = []
  const timely: Rule[] = []
  let seen = Number.POSITIVE_INFINITY
  for (const rule of rules) {
    const count = rule.source.often?.perName?.count
    const { requester } = request
    const history = await issuedNames.look({
      name: key,
      ...(requester.kind === 'account' && { accountId: requester.accountId }),
      ...(count !== undefined && { count }),
      now: request.at,
    })
    // What came between two looks was not seen by the first.
    seen = Math.min(seen, history.position)
    const wait = waitOf(rule, history, request.at, replacedIssuers)
    if (wait === undefined) timely.push(rule)
    else waits.push(wait)
  }
  if (timely.length > 0) return { rules: timely, counted: { name: key, seen } }
  const [first] = waits.sort((a, b) => a.until.getTime() - b.until.getTime())
  if (first === undefined) throw new Error('no rule is left of those that allowed')
  const detail = `${quote(name.value)} ${first.detail}; come back at ${first.until.toISOString()}`
  return { refused: { rule: first.rule.name, code: 'often', detail, name, retryAt: first.until } }
}

function waitOf(
  rule: Rule,
  { last, countReachedAt }: NameHistory,
  now: Date,
  replacedIssuers: ReadonlySet<string> | undefined,
): Wait | undefined {
  const { renewAfter, perName } = rule.source.often ?? {}
  const waits: Wait[] = []
  // Renewal information tells these to renew at once (RFC 9773 §4.2).
  const isDue = last === undefined || last.isRevoked || replacedIssuers?.has(last.issuerId) === true
  if (renewAfter !== undefined && last !== undefined && !isDue) {
    const { notBefore, notAfter } = last
    const until = new Date(notBefore.getTime() + renewAfter * (notAfter.getTime() - notBefore.getTime() + 1000))
    if (now < until) waits.push({ rule, until, detail: 'has a certificate that is not due for renewal' })
  }
  if (perName !== undefined && countReachedAt !== undefined) {
    const until = new Date(countReachedAt.getTime() + perName.per * 1000)
    if (now < until) waits.push({ rule, until, detail: `had ${perName.count} certificates in ${perName.per} s` })
  }
  return waits.sort((a, b) => b.until.getTime() - a.until.getTime())[0]
}
