import { open } from 'node:fs/promises'
import { backup, DatabaseSync } from 'node:sqlite'
import { MIGRATIONS } from '../migrations/index.ts'
import { digest } from '../sql/encoding.ts'
import { StoreError } from '../store.ts'
import { connectSqlite } from './connection.ts'
import { toStoreError } from './errors.ts'
import { missingMigrations } from './migrate.ts'
import { createPrivateFile } from './private-file.ts'

/** What a copy of the database holds, read from the copy itself. */
export interface SnapshotFacts {
  /** Number of the newest schema step in it. */
  readonly schema: number
  readonly epoch: number
  /** Empty before the first start of a version that keeps it. */
  readonly lineage: string
  /** Newest audit event; absent when there is none. */
  readonly newestEvent?: { readonly id: number; readonly at: Date }
  readonly counts: Readonly<Record<string, number>>
  /** Newest CRL number that was used, in decimal, by issuer. */
  readonly crlNumbers: Readonly<Record<string, string>>
  /** Ids of the issuing CAs that certificates or CRLs in it are of. */
  readonly issuers: readonly string[]
}

/** Pages copied at a time, about a megabyte. */
const PAGES_PER_STEP = 256
const COUNTED = ['accounts', 'eab_keys', 'orders', 'certificates', 'blocked_keys', 'audit_events'] as const

/**
 * Copies a database while others write to it. The copy is one consistent state, durable, in one file of mode 0600.
 *
 * @throws {StoreError}
 */
export async function takeSnapshot(from: string, to: string): Promise<void> {
  let source: DatabaseSync | undefined
  try {
    createPrivateFile(to)
    source = connectSqlite(from, { readOnly: true })
    // Holds one state for the whole of the copy; without it every foreign commit would begin the copy anew.
    source.exec('BEGIN')
    source.prepare('SELECT COUNT(*) FROM sqlite_schema').get()
    await backup(source, to, { rate: PAGES_PER_STEP })
  } catch (error) {
    throw toStoreError(error, `cannot copy ${from}`)
  } finally {
    source?.close()
  }
  await sealSnapshot(to)
}

/** Makes one durable file of a closed database: nothing of it stays in files beside it. */
export async function sealSnapshot(path: string): Promise<void> {
  const copy = new DatabaseSync(path)
  try {
    copy.exec('PRAGMA wal_checkpoint(TRUNCATE)')
    const mode = copy.prepare('PRAGMA journal_mode = DELETE').get()?.['journal_mode']
    if (mode !== 'delete') throw new StoreError('busy', `${path} is in use; close what has it open`)
  } catch (error) {
    throw toStoreError(error, `cannot finish ${path}`)
  } finally {
    copy.close()
  }
  const file = await open(path, 'r')
  try {
    await file.sync()
  } finally {
    await file.close()
  }
}

/**
 * Looks over every page and every stored certificate and CRL of a copy, changing nothing. Holds up the thread.
 *
 * @throws {StoreError} `failed` naming the first damage, `schema` when it is of a newer program
 */
export function inspectSnapshot(path: string): SnapshotFacts {
  let copy: DatabaseSync | undefined
  try {
    copy = connectSqlite(path, { readOnly: true })
    const all = (sql: string) => (copy as DatabaseSync).prepare(sql).all()
    const damage = all('PRAGMA integrity_check(1)')[0]?.['integrity_check']
    if (damage !== 'ok') throw new StoreError('failed', `${path} is damaged: ${damage}`)
    const dangling = all('PRAGMA foreign_key_check')[0]
    if (dangling !== undefined)
      throw new StoreError('failed', `${path} is damaged: a row of ${dangling['table']} is lost`)
    const schema = MIGRATIONS.length - missingMigrations(copy, MIGRATIONS).length
    if (schema === 0) throw new StoreError('schema', `${path} is not a database of Chancery`)
    checkDigests(copy, 'certificates', 'serial', 'tbs_der', 'tbs_sha256')
    checkDigests(copy, 'certificates', 'serial', 'certificate_der', 'certificate_sha256')
    checkDigests(copy, 'crls', 'number', 'crl_der', 'crl_sha256')
    const hasLineages = all(`SELECT 1 FROM sqlite_schema WHERE name = 'store_lineages'`).length > 0
    const lineage = hasLineages
      ? all('SELECT epoch, lineage FROM store_lineages ORDER BY epoch DESC LIMIT 1')[0]
      : undefined
    const newest = all('SELECT id, at FROM audit_events ORDER BY id DESC LIMIT 1')[0]
    const numbers = all(`SELECT issuer_id, last_number FROM crl_state WHERE last_number <> ''`)
    const issuers = all('SELECT issuer_id FROM crl_state UNION SELECT DISTINCT issuer_id FROM certificates')
    return {
      schema,
      epoch: Number(lineage?.['epoch'] ?? 0),
      lineage: String(lineage?.['lineage'] ?? ''),
      ...(newest && { newestEvent: { id: Number(newest['id']), at: new Date(Number(newest['at'])) } }),
      counts: Object.fromEntries(
        COUNTED.map((table) => [table, Number(all(`SELECT COUNT(*) AS count FROM ${table}`)[0]?.['count'])]),
      ),
      crlNumbers: Object.fromEntries(
        numbers.map((row) => [String(row['issuer_id']), BigInt(String(row['last_number'])).toString()]),
      ),
      issuers: issuers.map((row) => String(row['issuer_id'])),
    }
  } catch (error) {
    throw toStoreError(error, `cannot read ${path}`)
  } finally {
    copy?.close()
  }
}

/** Stored bytes must be those that were stored (KF-E12). */
function checkDigests(copy: DatabaseSync, table: string, id: string, bytes: string, sha256: string): void {
  const rows = copy.prepare(`SELECT ${id} AS id, ${bytes} AS bytes, ${sha256} AS sha256 FROM ${table}`).iterate()
  for (const row of rows) {
    const value = row['bytes']
    if (!(value instanceof Uint8Array)) continue
    if (digest(value) !== row['sha256'])
      throw new StoreError('failed', `${table}.${bytes} of ${row['id']} was changed after it was stored`)
  }
}
