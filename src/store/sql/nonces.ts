import type { NonceStore } from '../store.ts'
import type { Database } from './database.ts'

const SPEND = 'INSERT INTO nonces (id, expires_at) VALUES (?, ?) ON CONFLICT (id) DO NOTHING'

export function createNonceStore(database: Database): NonceStore {
  return {
    spend: (id, expiresAt) =>
      database.write(async (sql) => (await sql.run(SPEND, id, expiresAt.getTime())).changes === 1),
  }
}
