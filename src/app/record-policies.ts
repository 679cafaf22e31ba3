import type { ResolvedConfig } from '../config/read.ts'
import type { Clock } from '../lib/clock.ts'
import type { Logger } from '../observe/log.ts'
import { effectiveRules } from '../policy/effective-rules.ts'
import type { Store } from '../store/store.ts'
import { ownerOf } from './file-owner.ts'

/**
 * Notes the policies of the configuration that decide for some directory as in force from now on, so that what a stored
 * decision names can be read as long as the decision is kept.
 *
 * @throws {StoreError} when one cannot be recorded; the server must not start then
 */
export async function recordPolicies({
  config,
  store,
  clock,
  log,
}: {
  readonly config: Pick<ResolvedConfig, 'policies' | 'directories' | 'file'>
  readonly store: Pick<Store, 'policyVersions'>
  readonly clock: Clock
  readonly log: Logger
}): Promise<void> {
  const author = await ownerOf(config.file)
  // One instant for all: retention takes what another one followed for replaced.
  const now = clock.now()
  for (const name of new Set(Object.values(config.directories).map(({ policy }) => policy))) {
    const rules = config.policies[name]
    if (rules === undefined) continue
    const { text, version } = effectiveRules(name, rules)
    const data = {
      version,
      author,
      policy: `policies.${name}`,
      ...(config.file !== undefined && { file: config.file }),
    }
    await store.policyVersions.record(
      { version, loadedAt: now, author, text },
      { at: now, event: 'policy.loaded', data },
    )
    log.info('policy.loaded', data)
  }
}
