import type { Clock } from '../../lib/clock.ts'
import type { Logger } from '../../observe/log.ts'
import type { InstanceStore, NonceStore, Store } from '../store.ts'
import { createAccountStore } from './accounts.ts'
import { createAuditStore } from './audit.ts'
import { createAuthorizationStore } from './authorizations.ts'
import { createBlockedKeyStore } from './blocked-keys.ts'
import { boundDatabase } from './bounded-database.ts'
import { createCertificateStore } from './certificates.ts'
import { createClockStore, noteInstant } from './clock.ts'
import { createCrlStore } from './crls.ts'
import type { Database } from './database.ts'
import { createDecisionStore } from './decisions.ts'
import { createEabKeyStore } from './eab-keys.ts'
import { createHistoryStore } from './history.ts'
import { createIssuedNameStore } from './issued-names.ts'
import { createLimitStore } from './limits.ts'
import { createNameGrantStore } from './name-grants.ts'
import { createNonceStore } from './nonces.ts'
import { createOrderStore } from './orders.ts'
import { createPolicyVersionStore } from './policy-versions.ts'
import type { RecordCache } from './record-cache.ts'
import { createRecoveryStore } from './recovery.ts'
import { createRetentionStore } from './retention.ts'
import { createSecretStore } from './secrets.ts'
import { unlessMoved } from './unless-moved.ts'
import { createValidationJobStore } from './validation-jobs.ts'

const END_JOB_LEASES = 'UPDATE validation_jobs SET lease_owner = NULL, lease_until = 0 WHERE lease_until > 0'

const END_CRL_LEASES = 'UPDATE crl_state SET lease_owner = NULL, lease_until = 0 WHERE lease_until > 0'

/** On an engine that lets one server in at a time. */
const ONE_SERVER: InstanceStore = {
  beat: async () => undefined,
  list: async () => [],
  leave: async () => {},
}

export interface SqlStoreOptions {
  readonly clock: Clock
  readonly log: Logger | undefined
  /** An engine's own ways, where it has better ones. */
  readonly nonces?: NonceStore | undefined
  readonly records?: RecordCache | undefined
  readonly instances?: InstanceStore
  /** Whether the engine keeps every other server away; default: no. */
  readonly isOnlyServer?: boolean
  /** For commands: see `unlessMoved`. */
  readonly unlessMoved?: boolean | undefined
}

/** The store over any engine that speaks SQL; its tables are those of `migrations/`. */
export function createSqlStore(engine: Database, options: SqlStoreOptions): Store {
  const database = boundDatabase(options.unlessMoved === true ? unlessMoved(engine) : engine)
  const { clock, log, records, instances = ONE_SERVER, isOnlyServer = false } = options
  const { nonces = createNonceStore(database) } = options
  const instants = createClockStore(database)
  return {
    accounts: createAccountStore(database, records),
    eabKeys: createEabKeyStore(database),
    nameGrants: createNameGrantStore(database),
    nonces,
    orders: createOrderStore(database, records),
    authorizations: createAuthorizationStore(database, records),
    validationJobs: createValidationJobStore(database, { log, cache: records }),
    certificates: createCertificateStore(database),
    issuedNames: createIssuedNameStore(database),
    crls: createCrlStore(database),
    blockedKeys: createBlockedKeyStore(database),
    secrets: createSecretStore(database),
    limits: createLimitStore(database),
    audit: createAuditStore(database),
    decisions: createDecisionStore(database),
    policyVersions: createPolicyVersionStore(database),
    retention: createRetentionStore(database),
    instances,
    clock: instants,
    history: createHistoryStore(database, log),
    recovery: createRecoveryStore(database),

    async ping() {
      const now = clock.now()
      await database.write((sql) => noteInstant(sql, now))
      await instants.newestSeen()
    },

    pressure: () => database.pressure(),

    async takeOver() {
      if (!isOnlyServer) return false
      await database.write(async (sql) => {
        await sql.run(END_JOB_LEASES)
        await sql.run(END_CRL_LEASES)
      })
      return true
    },

    close: () => database.close(),
  }
}
