import { describe } from 'node:test'
import type { Clock } from '../../src/lib/clock.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { accountsContract } from './store/accounts.ts'
import { auditContract } from './store/audit.ts'
import { authorizationsContract } from './store/authorizations.ts'
import { certificatesContract } from './store/certificates.ts'
import { clockContract } from './store/clock.ts'
import { crlsContract } from './store/crls.ts'
import { damageContract } from './store/damage.ts'
import { decisionsContract } from './store/decisions.ts'

import { externalKeysContract } from './store/external-keys.ts'
import type { StoreUnderTest, WithStore } from './store/harness.ts'
import { interleavingsContract } from './store/interleavings.ts'
import { issuedNamesContract } from './store/issued-names.ts'
import { keysAndNoncesContract } from './store/keys-and-nonces.ts'
import { limitsContract } from './store/limits.ts'
import { nameGrantsContract } from './store/name-grants.ts'
import { ordersContract } from './store/orders.ts'
import { racesContract } from './store/races.ts'
import { recoveryContract } from './store/recovery.ts'
import { replacementsContract } from './store/replacements.ts'
import { retentionContract } from './store/retention.ts'
import { validationJobsContract } from './store/validation-jobs.ts'

/**
 * The suite that every storage engine must pass; see the contract in `src/store/store.ts`.
 *
 * @param options.forgets for an engine that lives in memory only
 * @param options.keepsNonceRows false for an engine that has no row for a spent nonce; default true
 * @param options.nonceMarginMs how much longer than it is good a spent nonce is remembered
 */
export function storeContract(
  name: string,
  openStore: (clock: Clock) => Promise<StoreUnderTest>,
  options: { readonly forgets?: boolean; readonly keepsNonceRows?: boolean; readonly nonceMarginMs?: number } = {},
): void {
  const restart = { forgets: options.forgets ?? false }
  const withStore: WithStore = async (fn) => {
    const clock = new FakeClock()
    const under = await openStore(clock)
    try {
      await fn(Object.assign(under, { clock }))
    } finally {
      await under.cleanup()
    }
  }
  describe(`${name}: store contract`, () => {
    accountsContract(withStore)
    keysAndNoncesContract(withStore, {
      ...restart,
      keepsNonceRows: options.keepsNonceRows ?? true,
      nonceMarginMs: options.nonceMarginMs ?? 0,
    })
    externalKeysContract(withStore)
    nameGrantsContract(withStore)
    ordersContract(withStore)
    authorizationsContract(withStore)
    validationJobsContract(withStore, restart)
    certificatesContract(withStore, restart)
    issuedNamesContract(withStore)
    crlsContract(withStore)
    limitsContract(withStore)
    clockContract(withStore)
    auditContract(withStore)
    decisionsContract(withStore)
    replacementsContract(withStore)
    retentionContract(withStore)
    recoveryContract(withStore)
    damageContract(withStore)
    interleavingsContract(withStore)
    racesContract(withStore)
  })
}
