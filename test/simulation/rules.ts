import { profileTable } from '../../src/app/directories.ts'
import type { ResolvedConfig } from '../../src/config/read.ts'
import type { Clock } from '../../src/lib/clock.ts'
import type { ClockGuard } from '../../src/lib/clock-guard.ts'
import type { Decision, Policy } from '../../src/policy/decision.ts'
import { compilePolicy, parsePolicyFile, versionOf } from '../../src/policy/language/read-policy.ts'
import type { Store } from '../../src/store/store.ts'
import { TROUBLES } from './troublemakers.ts'

/** How often a name may have a certificate: members by the life of the last one, crowds by number, others at will. */
export const OFTEN = {
  /** Early enough that whoever lost an answer has a new certificate before the old one ends. */
  member: { zone: 'member.test', renewAfter: 0.1 },
  crowd: { zone: 'crowd.test', count: 3, perHours: 2 },
} as const

const AT_WILL = TROUBLES.filter((trouble) => trouble !== 'crowd').map((trouble) => `**.${trouble}.test`)

const TEXT = `
version: 1
rules:
  - name: members
    names: { dns: ['**.${OFTEN.member.zone}'], wildcards: true }
    often: { renewAfter: ${OFTEN.member.renewAfter} }
  - name: crowds
    names: { dns: ['**.${OFTEN.crowd.zone}'] }
    often: { perName: { count: ${OFTEN.crowd.count}, per: ${OFTEN.crowd.perHours}h } }
  - name: others
    names: { dns: ${JSON.stringify(AT_WILL)} }
  - name: never
    effect: deny
    names: { dns: ['**.denied.test'] }
`

/** A file of rules in force as `app/policy-in-force.ts` puts it, but without a file, and a thread to read it. */
export async function policyOfRules(parts: {
  readonly config: ResolvedConfig
  readonly store: Store
  readonly clock: Clock
  readonly clockGuard: ClockGuard
}): Promise<Policy> {
  const { config, store, clock, clockGuard } = parts
  const version = versionOf(TEXT)
  const { issuedNames } = store
  const loaded = await compilePolicy(parsePolicyFile(TEXT), version, { profiles: profileTable(config), issuedNames })
  const now = clock.now()
  const audit = { at: now, event: 'policy.loaded', data: { version } }
  await store.policyVersions.record({ version, loadedAt: now, author: 'simulation', text: TEXT }, audit)
  return {
    async decide(request): Promise<Decision> {
      if (clockGuard.problem() === undefined) return loaded.policy.decide(request)
      const detail = 'The clock of the server cannot be trusted now'
      return { outcome: 'deny', reasons: [{ rule: 'clock', code: 'unavailable', detail }], version }
    },
  }
}
