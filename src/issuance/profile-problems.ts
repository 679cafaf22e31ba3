import type { ProfileConfig } from '../config/schema.ts'
import { nameMapping } from './name-mapping.ts'
import { policyProblem } from './policy-oids.ts'
import { PROFILE_TYPES } from './profile-types.ts'

/** BR 1.6.1 of a short-lived certificate, at its longest: beyond it, revocation is missed. */
const MAX_NO_REV_AVAIL_SECONDS = 10 * 86_400

/** Whether the parts of a profile fit together: what is wrong, by key. The lengths of time are looked at elsewhere. */
export function profileProblems(config: ProfileConfig): { readonly key: string; readonly problem: string }[] {
  const problems: { key: string; problem: string }[] = []
  const problem = (key: keyof ProfileConfig, text: string): void => void problems.push({ key, problem: text })
  const { type, extendedKeyUsages, certificatePolicies, noRevAvail, mustStaple, otherNames } = config
  const row = PROFILE_TYPES[type]
  if (extendedKeyUsages?.length === 0) problem('extendedKeyUsages', 'name at least one')
  const allowed: readonly string[] = row.allowedUsages
  const foreign = extendedKeyUsages?.filter((usage) => !allowed.includes(usage)) ?? []
  if (foreign.length > 0)
    problem('extendedKeyUsages', `${foreign.join(', ')} is not for type ${type}, which has ${allowed.join(', ')}`)
  const policies = certificatePolicies.map((policy) => (typeof policy === 'string' ? { oid: policy } : policy))
  for (const { oid, cps } of policies) {
    const fault = policyProblem({ oid, ...(cps !== undefined && { cps }) })
    if (fault !== undefined) problem('certificatePolicies', fault)
  }
  if (new Set(policies.map(({ oid }) => oid)).size !== policies.length)
    problem('certificatePolicies', 'a policy stands here twice')
  if ((noRevAvail ?? 0) > MAX_NO_REV_AVAIL_SECONDS)
    problem('noRevAvail', `at most ${MAX_NO_REV_AVAIL_SECONDS} s; who lives longer must be revocable`)
  if (mustStaple && noRevAvail !== undefined) problem('mustStaple', 'it cannot be asked of what has noRevAvail')
  if (mustStaple && !(extendedKeyUsages ?? row.usages).some((usage) => usage === 'serverAuth'))
    problem('mustStaple', 'it is for certificates of servers')
  for (const form of ['dns', 'uri', 'email'] as const)
    if (config.sans[form].length > 0 && !row.names.some((one) => one === form))
      problem('sans', `a certificate of type ${type} holds no name of type ${form}`)
  try {
    nameMapping(config)
  } catch (error) {
    problem('subject', `or sans: ${error instanceof Error ? error.message : String(error)}`)
  }
  if (otherNames && type !== 'workload') problem('otherNames', 'it is for type workload')
  return problems
}
