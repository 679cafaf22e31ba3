import type { ResolvedConfig } from '../config/read.ts'
import type { Clock } from '../lib/clock.ts'
import type { ClockGuard } from '../lib/clock-guard.ts'
import type { Logger } from '../observe/log.ts'
import type { Metrics } from '../observe/metrics.ts'
import type { Decision, Policy } from '../policy/decision.ts'
import type { LoadedPolicy } from '../policy/language/read-policy.ts'
import { PolicyFileError } from '../policy/language/read-policy.ts'
import type { RuleSource } from '../policy/language/schema.ts'
import type { ProfileTable } from '../policy/rules/profile.ts'
import type { Store } from '../store/store.ts'
import { type ReadPolicyFile, readPolicyFile } from './policy-file.ts'

/** What became of a reload; only `changed` changed anything. */
export type ReloadOutcome = 'changed' | 'unchanged' | 'refused'

/** The rules of `policy.file`, of which one version decides at a time. */
export interface PolicyInForce {
  /** Decides by the version in force at that moment; one object for the life of the server. */
  readonly policy: Policy
  readonly loaded: LoadedPolicy
  /**
   * Reads the file again. It is taken whole or not at all: on any fault the version in force stays, and the log has
   * every fault. Never rejects. One reload at a time; those that come meanwhile wait for it.
   */
  reload(): Promise<ReloadOutcome>
}

export interface PolicyInForceDeps {
  readonly config: Pick<ResolvedConfig, 'policy' | 'directories' | 'renewalInfo'>
  readonly profiles: ProfileTable
  readonly store: Pick<Store, 'policyVersions' | 'issuedNames'>
  readonly clock: Clock
  readonly clockGuard: ClockGuard
  readonly log: Logger
  readonly metrics: Metrics
  /** Told of the rules of each version that is put into force. Must not throw. */
  readonly onLoaded?: (rules: readonly RuleSource[]) => void
}

/**
 * Puts the policy file into force.
 *
 * @throws {PolicyFileError} when anything in the file is wrong
 * @throws {StoreError} when it cannot be recorded; a version that is not on record decides nothing
 */
export async function openPolicyInForce(deps: PolicyInForceDeps): Promise<PolicyInForce> {
  const { metrics, log } = deps
  let current = await readPolicyFile(deps.config, contextOf(deps))
  await record(deps, current, undefined)
  announce(deps, current)
  metrics.set('chancery_policy_refused', 0)

  const reload = async (): Promise<ReloadOutcome> => {
    try {
      const next = await readPolicyFile(deps.config, contextOf(deps))
      const isSame = next.version === current.version
      if (!isSame) {
        await record(deps, next, current)
        current = next
        announce(deps, next)
      } else log.info('policy.unchanged', { version: current.version })
      metrics.set('chancery_policy_refused', 0)
      return isSame ? 'unchanged' : 'changed'
    } catch (error) {
      const faults = error instanceof PolicyFileError ? error.faults : [String(error)]
      log.error('policy.refused', {
        file: deps.config.policy.file,
        inForce: current.version,
        faults: faults.slice(0, MAX_LOGGED),
      })
      metrics.set('chancery_policy_refused', 1)
      return 'refused'
    }
  }
  let last: Promise<unknown> = Promise.resolve()
  return {
    policy: { decide: (request) => decide(deps, current, request) },
    get loaded() {
      return current
    },
    reload: async () => {
      const mine = last.then(reload)
      last = mine
      const outcome = await mine
      metrics.count('chancery_policy_reloads_total', { outcome })
      return outcome
    },
  }
}

const MAX_LOGGED = 50

const contextOf = ({ profiles, config, clock, store }: PolicyInForceDeps) => ({
  profiles,
  issuedNames: store.issuedNames,
  replacedIssuers: new Set(config.renewalInfo.replacedIssuers),
  directories: new Set(Object.keys(config.directories)),
  now: clock.now(),
})

/** Under a clock that went back, rules that have ended would come to life again (KF-E09). */
async function decide(
  { clockGuard, metrics }: PolicyInForceDeps,
  { policy, version }: LoadedPolicy,
  request: Parameters<Policy['decide']>[0],
): Promise<Decision> {
  const problem = clockGuard.problem()
  const decision: Decision =
    problem === undefined
      ? await policy.decide(request)
      : {
          outcome: 'deny',
          reasons: [{ rule: 'clock', code: 'unavailable', detail: 'The clock of the server cannot be trusted now' }],
          version,
        }
  metrics.count('chancery_policy_decisions_total', { stage: request.stage, outcome: decision.outcome })
  return decision
}

async function record(
  { store, clock }: PolicyInForceDeps,
  { version, author, path, file, text }: ReadPolicyFile,
  before: LoadedPolicy | undefined,
): Promise<void> {
  const data = {
    version,
    author,
    file: path,
    rules: file.rules.length,
    tests: file.tests.length,
    ...(before !== undefined && { before: before.version }),
  }
  const now = clock.now()
  await store.policyVersions.record({ version, loadedAt: now, author, text }, { at: now, event: 'policy.loaded', data })
}

function announce(
  { log, metrics, clock, onLoaded }: PolicyInForceDeps,
  { version, author, path, file }: ReadPolicyFile,
): void {
  log.info('policy.loaded', { version, author, file: path, rules: file.rules.length, tests: file.tests.length })
  onLoaded?.(file.rules)
  metrics.set('chancery_policy_rules', file.rules.length)
  metrics.set('chancery_policy_loaded_timestamp_seconds', clock.now().getTime() / 1000)
}
