import { quote } from '../../lib/quote.ts'
import type { PolicyRequest } from '../decision.ts'
import type { Miss } from './rule.ts'
import type { RuleSource } from './schema.ts'
import { usageName } from './usages.ts'

type Bounds = NonNullable<RuleSource['with']>

/**
 * What of a certificate goes beyond the `with` of a rule. At newOrder only what was asked for is looked at; before
 * signing every fact that the rule bounds must be known.
 */
export function certificateMisses(bounds: Bounds, request: PolicyRequest): Miss[] {
  const misses: Miss[] = []
  const isLast = request.stage === 'issuance'
  const check = <T>(code: Miss['code'], fact: T | undefined, faultOf: (fact: T) => string | undefined): void => {
    const detail = fact === undefined ? (isLast ? 'it is not known' : undefined) : faultOf(fact)
    if (detail !== undefined) misses.push({ code, detail })
  }
  const { maxLifetime, extendedKeyUsages, subject, certificatePolicies, mustStaple } = bounds
  if (maxLifetime !== undefined) {
    check('lifetime', request.lifetimeSeconds, (seconds) =>
      seconds <= maxLifetime ? undefined : `ask for at most ${maxLifetime} s`,
    )
  }
  if (extendedKeyUsages !== undefined) {
    const allowed = new Set(extendedKeyUsages.map(usageName))
    check('usage', request.extendedKeyUsages, (usages) => {
      const other = usages.map(usageName).find((usage) => !allowed.has(usage))
      return other === undefined ? undefined : `the extended key usage ${quote(other)} is not allowed`
    })
  }
  if (subject !== undefined) {
    const allowed = new Map(Object.entries(subject))
    check('subject', request.subject, (facts) => {
      const other = facts.find(({ attribute, value }) => {
        const values = allowed.get(attribute)
        return values === undefined || !(values.includes('*') || values.includes(value))
      })
      return other && `the subject attribute ${quote(`${other.attribute}=${other.value}`)} is not allowed`
    })
  }
  if (certificatePolicies !== undefined) {
    check('subject', request.certificatePolicies, (policies) => {
      const other = policies.find((policy) => !certificatePolicies.includes(policy))
      return other === undefined ? undefined : `the certificate policy ${quote(other)} is not allowed`
    })
  }
  if (mustStaple !== undefined) {
    check('usage', request.mustStaple, (has) => {
      if (has === mustStaple) return undefined
      return mustStaple ? 'the certificate must demand a stapled status' : 'it may not demand a stapled status'
    })
  }
  return misses
}
