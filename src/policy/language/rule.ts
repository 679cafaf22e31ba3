import type { PolicyRequest, ProofMethod, Reason, RequestedName } from '../decision.ts'
import { certificateMisses } from './certificate-misses.ts'
import type { Budget, Condition } from './condition.ts'
import { compileCondition } from './condition.ts'
import type { RuleSource } from './schema.ts'
import { compileSelector, fitsSelector, type Selector } from './selector.ts'

/** One rule, ready to be asked. */
export interface Rule {
  readonly name: string
  readonly effect: 'allow' | 'deny'
  readonly source: RuleSource
  readonly selector: Selector
  readonly expiresAt: number | undefined
  readonly when: Condition | undefined
}

/** What of a rule does not fit a request, although its names do. */
export interface Miss {
  readonly code: Reason['code']
  readonly detail: string
}

/** @throws {Error} naming rule and fault */
export function compileRule(source: RuleSource): Rule {
  try {
    checkSense(source)
    return {
      name: source.name,
      effect: source.effect,
      source,
      selector: compileSelector(source.for ?? {}),
      expiresAt: source.expires === undefined ? undefined : Date.parse(source.expires),
      when: source.when === undefined ? undefined : compileCondition(source.when),
    }
  } catch (cause) {
    throw new Error(`rule ${source.name}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
  }
}

function checkSense({ effect, names, expires, challenges, with: grants, often }: RuleSource): void {
  const someName = [names?.dns, names?.ip, names?.uri, names?.email].some((list) => list !== undefined)
  if (effect === 'allow') {
    if (!someName) throw new Error('an allowing rule must say which names, in `names`')
    const { defaultLifetime = 0, maxLifetime = Number.POSITIVE_INFINITY } = grants ?? {}
    if (defaultLifetime > maxLifetime) throw new Error('`with.defaultLifetime` is longer than `with.maxLifetime`')
    return
  }
  if (names !== undefined && !someName) throw new Error('`names` is empty; leave it out to deny every name')
  if (expires !== undefined) throw new Error('a denying rule may not end by itself; take it out of the file instead')
  if (names?.wildcards) throw new Error('a denying rule covers wildcards always; leave `names.wildcards` out')
  if (challenges ?? grants ?? often) throw new Error('`challenges`, `with` and `often` are for allowing rules')
}

/**
 * What of the rule does not fit, but for how often; empty: it fits. Facts that are not known at newOrder are asked for
 * before signing, where a fact that is still missing is a miss.
 *
 * @param budget what the conditions of this decision may still cost
 * @throws {ConditionError} when the rule's condition cannot be evaluated
 */
export function missesOf(
  rule: Rule,
  name: RequestedName,
  request: PolicyRequest,
  tokens: ReadonlySet<string>,
  budget: Budget,
): readonly Miss[] {
  const { source } = rule
  const misses: Miss[] = []
  const miss = (code: Miss['code'], detail: string | undefined): void => {
    if (detail !== undefined) misses.push({ code, detail })
  }
  if (!fitsSelector(rule.selector, tokens)) miss('name-not-allowed', 'the rule is for others')
  if (rule.expiresAt !== undefined && !(request.at.getTime() < rule.expiresAt))
    miss('name-not-allowed', `the rule ended at ${source.expires}`)
  if (source.profiles !== undefined && !source.profiles.includes(request.profile))
    miss('profile', `ask for the profile ${source.profiles.join(' or ')}`)
  if (source.keys !== undefined) miss('key', keyFault(source.keys, request))
  if (source.with !== undefined) misses.push(...certificateMisses(source.with, request))
  // A denying rule is not about proofs: it must not be escaped by bringing none.
  if (rule.effect === 'allow' && request.stage === 'issuance') miss('proof', proofFault(rule, name, request))
  // Last, because it costs most; and not at all when it could not change the outcome.
  if (misses.length === 0 && rule.when !== undefined && !(rule.when.isForIssuance && request.stage === 'order')) {
    if (!rule.when.holds(request, budget)) miss('condition', 'its condition does not hold')
  }
  return misses
}

/** The ways in which the rule wants this name proved; undefined: any. */
export function acceptedMethods(rule: Rule, name: RequestedName): readonly ProofMethod[] | undefined {
  const { challenges } = rule.source
  if (name.type === 'ip') return challenges?.ip ?? challenges?.default
  if (name.type !== 'dns') return undefined
  const dns = challenges?.dns ?? challenges?.default
  return name.value.startsWith('*.') ? (challenges?.wildcard ?? dns) : dns
}

/** Every name of a certificate was shown to be the requester's, one way or another. */
function proofFault(rule: Rule, name: RequestedName, { proofs, requester }: PolicyRequest): string | undefined {
  if (requester.kind !== 'account') return undefined
  const proof = proofs?.find((one) => one.name.type === name.type && one.name.value === name.value)
  const methods = acceptedMethods(rule, name)
  if (proof === undefined) return methods === undefined ? 'it was not proved' : `prove it by ${methods.join(' or ')}`
  if (methods === undefined || methods.includes(proof.method)) return undefined
  return `prove it by ${methods.join(' or ')}`
}

function keyFault(kinds: readonly string[], { key, stage }: PolicyRequest): string | undefined {
  if (key === undefined) return stage === 'order' ? undefined : 'the key is not known'
  const fits = kinds.some((kind) => {
    const [algorithm, bits] = kind.startsWith('RSA-') ? ['RSA', Number(kind.slice(4))] : [kind, 0]
    return algorithm === key.algorithm && key.bits >= bits
  })
  return fits ? undefined : `use a key of kind ${kinds.join(' or ')}`
}
