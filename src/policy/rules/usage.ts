import { quote } from '../../lib/quote.ts'
import { usageName } from '../language/usages.ts'
import { factsOf, type ProfileTable } from './profile.ts'
import type { RequestRule } from './rule.ts'

/**
 * Extended key usages are some of the profile's, and never none: a certificate without them is good for any use.
 * An unknown profile is for the profile rule to refuse.
 */
export function usage(profiles: ProfileTable): RequestRule {
  return (request) => {
    const { profile, stage, extendedKeyUsages } = request
    const facts = factsOf(request, profiles)
    if (facts === undefined) return []
    if (extendedKeyUsages === undefined && stage === 'order') return []
    const fault = faultOf(extendedKeyUsages ?? [], facts.extendedKeyUsages)
    const detail = `${fault}; ask for ${facts.extendedKeyUsages.join(', ')}`
    return fault === undefined ? [] : [{ rule: `profiles.${profile}.extendedKeyUsages`, code: 'usage', detail }]
  }
}

function faultOf(usages: readonly string[], allowed: readonly string[]): string | undefined {
  if (usages.length === 0) return 'There is no extended key usage'
  const bad = usages.find((text) => !allowed.includes(usageName(text)))
  return bad === undefined ? undefined : `The extended key usage ${quote(bad)} is not of this profile`
}
