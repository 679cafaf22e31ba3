import type { SecretStore } from '../store.ts'
import type { Database } from './database.ts'
import { toBuffer } from './encoding.ts'

const FIND = 'SELECT value FROM secrets WHERE name = ?'

const INSERT = 'INSERT INTO secrets (name, value) VALUES (?, ?) ON CONFLICT (name) DO NOTHING'

interface SecretRow {
  readonly value: Uint8Array
}

export function createSecretStore(database: Database): SecretStore {
  return {
    async getOrCreate(name, make) {
      const known = await database.get<SecretRow>(FIND, name)
      if (known !== undefined) return toBuffer(known.value)
      const made = make()
      return database.write(async (sql) => {
        await sql.run(INSERT, name, made)
        const row = await sql.get<SecretRow>(FIND, name)
        if (row === undefined) throw new Error(`the secret ${name} was just created and cannot be found`)
        return toBuffer(row.value)
      })
    },
  }
}
