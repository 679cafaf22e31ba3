import type { Clock } from '../../lib/clock.ts'
import type { Logger } from '../../observe/log.ts'
import type { NonceStore, Store } from '../store.ts'
import { createAccountStore } from './accounts.ts'
import { createAuditStore } from './audit.ts'
import { createAuthorizationStore } from './authorizations.ts'
import { createBlockedKeyStore } from './blocked-keys.ts'
import { boundDatabase } from './bounded-database.ts'
import { createCertificateStore } from './certificates.ts'
import { createCrlStore } from './crls.ts'
import type { Database } from './database.ts'
import { createEabKeyStore } from './eab-keys.ts'
import { createLimitStore } from './limits.ts'
import { createNonceStore } from './nonces.ts'
import { createOrderStore } from './orders.ts'
import { createRetentionStore } from './retention.ts'
import { createSecretStore } from './secrets.ts'
import { createValidationJobStore } from './validation-jobs.ts'

const HEARTBEAT = `
  INSERT INTO heartbeat (id, at) VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET at = excluded.at`

const READ_HEARTBEAT = 'SELECT at FROM heartbeat WHERE id = 1'

/**
 * The store over any engine that speaks SQL; its tables are those of `migrations/`.
 *
 * @param options.nonces of an engine that has its own way with them; default: a row for each that was spent
 */
export function createSqlStore(
  engine: Database,
  { clock, log, nonces }: { clock: Clock; log: Logger | undefined; nonces?: NonceStore | undefined },
): Store {
  const database = boundDatabase(engine)
  return {
    accounts: createAccountStore(database),
    eabKeys: createEabKeyStore(database),
    nonces: nonces ?? createNonceStore(database),
    orders: createOrderStore(database),
    authorizations: createAuthorizationStore(database),
    validationJobs: createValidationJobStore(database, log),
    certificates: createCertificateStore(database, log),
    crls: createCrlStore(database),
    blockedKeys: createBlockedKeyStore(database),
    secrets: createSecretStore(database),
    limits: createLimitStore(database),
    audit: createAuditStore(database),
    retention: createRetentionStore(database),

    async ping() {
      await database.write((sql) => sql.run(HEARTBEAT, clock.now().getTime()))
      await database.get(READ_HEARTBEAT)
    },

    pressure: () => database.pressure(),
    close: () => database.close(),
  }
}
