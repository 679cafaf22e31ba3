import type { Clock } from '../lib/clock.ts'
import type { Logger } from '../observe/log.ts'
import type { Store } from '../store/store.ts'
import type { IssuanceLog } from './issuance-log.ts'

/** A disk that does not answer in this time must not keep a revocation from being confirmed. */
const PATIENCE_MS = 2_000

/**
 * A store whose answers to what ends something for good (a use of an external account key or its end, a revocation, the end
 * of an account, the change of its key) wait until the log has it too. So what was confirmed cannot come alive again by
 * a restore that has the log (KF-E08). Issuing waits for nothing more than before.
 *
 * Where the log cannot be written, the answer comes all the same, after two seconds at most: the database has it.
 */
export function withLoggedEndings(
  store: Store,
  issuanceLog: Pick<IssuanceLog, 'flush'>,
  deps: { readonly clock: Clock; readonly log: Logger },
): Store {
  const logged = async <T>(outcome: T): Promise<T> => {
    const patience = new AbortController()
    const flushed = issuanceLog.flush().catch((error: unknown) => {
      deps.log.error('issuance-log.behind', { error })
    })
    await Promise.race([flushed, deps.clock.sleep(PATIENCE_MS, patience.signal)])
    patience.abort()
    return outcome
  }
  const { accounts, eabKeys, certificates, blockedKeys } = store
  return {
    ...store,
    accounts: {
      ...accounts,
      create: async (account, options) => {
        const created = await accounts.create(account, options)
        return options.eab === undefined || created.outcome !== 'created' ? created : logged(created)
      },
      deactivate: async (...args) => logged(await accounts.deactivate(...args)),
      changeKey: async (...args) => {
        const changed = await accounts.changeKey(...args)
        return changed.outcome === 'changed' ? logged(changed) : changed
      },
    },
    eabKeys: { ...eabKeys, edit: async (...args) => logged(await eabKeys.edit(...args)) },
    certificates: {
      ...certificates,
      revoke: async (...args) => {
        const revoked = await certificates.revoke(...args)
        return revoked.outcome === 'revoked' || revoked.outcome === 'raised' ? logged(revoked) : revoked
      },
    },
    blockedKeys,
  }
}
