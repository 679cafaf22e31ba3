import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync, type SQLInputValue } from 'node:sqlite'
import { after, before, describe, test } from 'node:test'
import { systemClock } from '../../src/lib/clock.ts'
import { findOccupant, loadFileIntoPostgres } from '../../src/store/copy/file-to-postgres.ts'
import { copyPostgresToFile } from '../../src/store/copy/postgres-to-file.ts'
import { tableShapes } from '../../src/store/copy/table-shapes.ts'
import { TABLES } from '../../src/store/copy/tables.ts'
import { MIGRATIONS } from '../../src/store/migrations/index.ts'
import { openPostgresStore } from '../../src/store/postgres/engine.ts'
import type { PostgresPlace } from '../../src/store/postgres/long-transaction.ts'
import { migrate } from '../../src/store/sqlite/migrate.ts'
import { inspectSnapshot, sealSnapshot } from '../../src/store/sqlite/snapshot.ts'
import {
  missingPgBouncer,
  missingPostgres,
  type PgBouncer,
  type PostgresServer,
  startPgBouncer,
  startPostgres,
  TEST_SETTINGS,
} from '../support/postgres-server.ts'

const SCHEMA = MIGRATIONS.length
const LINEAGE = 'the-lineage'

/** Values that the schema checks. */
const CHECKED: Readonly<Record<string, Readonly<Record<string, SQLInputValue>>>> = {
  authorizations: { wildcard: 1 },
  name_grants: { wildcard: 0 },
  challenges: { type: 'dns-01', failed_at: null },
  certificates: { abandoned_at: null, revocation_reason: 1 },
  decisions: { stage: 'order', outcome: 'deny' },
  heartbeat: { id: 1 },
}

/** Every kind of value in every column of every table, and NULL where it may be. */
function fill(database: DatabaseSync, rows: number): void {
  database.exec('BEGIN')
  for (const { name, key } of tableShapes(SCHEMA)) {
    const columns = database.prepare(`SELECT name, type, "notnull" AS required FROM pragma_table_info(?)`).all(name)
    for (let n = 1; n <= (name === 'heartbeat' ? 1 : rows); n++) {
      const values = columns.map(({ name: column, type, required }): SQLInputValue => {
        const checked = CHECKED[name]?.[String(column)]
        if (checked !== undefined) return checked
        const isKey = key.includes(String(column))
        // Rows of which some columns must be NULL together.
        if (required === 0 && !isKey && n % 3 === 0 && !/revoc|revoked_at/.test(String(column))) return null
        if (type === 'BLOB') return Buffer.from([n & 255, 0, 255, 10, 39])
        if (type === 'BIGINT') return isKey ? n : 253_402_300_799_000 + n
        if (type === 'INTEGER') return n
        if (/(^|_)id$/.test(String(column))) return `id-${n}`
        return `${String(column)} ${n} 'ü\u{1f512}' \\ "?" $1`
      })
      const marks = columns.map(() => '?').join(', ')
      const list = columns.map(({ name: column }) => column).join(', ')
      database.prepare(`INSERT INTO ${name} (${list}) VALUES (${marks})`).run(...values)
    }
  }
  database.prepare('UPDATE store_lineages SET lineage = ? WHERE epoch = ?').run(LINEAGE, rows)
  // The newest events are gone, and their numbers must not come again.
  database.exec(`DELETE FROM audit_events WHERE id > ${rows - 2}`)
  database.exec('COMMIT')
}

/** Every row of every table that is copied. */
function dump(path: string): string {
  const database = new DatabaseSync(path, { readOnly: true })
  try {
    return tableShapes(SCHEMA)
      .map(({ name, columns, key }) => {
        const rows = database.prepare(`SELECT ${columns.join(', ')} FROM ${name} ORDER BY ${key.join(', ')}`).all()
        return [name, ...rows.map((row) => JSON.stringify(row))].join('\n')
      })
      .join('\n')
  } finally {
    database.close()
  }
}

describe('a database copied from engine to engine', { skip: missingPostgres() ?? false }, () => {
  let server: PostgresServer
  let folder: string
  let original: string

  const place = (database: string): PostgresPlace => ({ address: server.address(database), settings: TEST_SETTINGS })
  const withTables = async (): Promise<string> => {
    const database = await server.createDatabase()
    await (await openPostgresStore({ ...place(database), clock: systemClock })).close()
    return database
  }
  const load = (file: string, database: string) =>
    loadFileIntoPostgres(file, place(database), { clock: systemClock, lineage: LINEAGE, replaces: undefined })
  let files = 0
  const newFile = (change: (database: DatabaseSync) => void): string => {
    const path = join(folder, `made-${files++}.db`)
    const database = new DatabaseSync(path, { enableForeignKeyConstraints: true })
    migrate(database, MIGRATIONS, systemClock)
    change(database)
    database.close()
    return path
  }

  before(async () => {
    server = await startPostgres()
    folder = await mkdtemp(join(tmpdir(), 'chancery-copy-'))
    original = newFile((database) => fill(database, 700))
  })
  after(async () => {
    await server?.stop()
    await rm(folder, { recursive: true, force: true })
  })

  test('somebody has decided what becomes of every table of either engine', async () => {
    const database = await withTables()
    const onServer = await server.sql(
      database,
      `SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'`,
    )
    const file = new DatabaseSync(original, { readOnly: true })
    const inFile = file.prepare(`SELECT name FROM sqlite_schema WHERE type = 'table'`).all()
    file.close()
    const names = new Set([...onServer.split('\n'), ...inFile.map(({ name }) => String(name))])
    assert.deepEqual([...names].sort(), Object.keys(TABLES).sort())
  })

  test('every row goes to PostgreSQL and back unchanged, and numbers go on above all that were ever given', async () => {
    const database = await withTables()
    const loaded = await load(original, database)
    assert.equal(loaded.find(({ table }) => table === 'certificates')?.rows, 700)
    const next = `INSERT INTO audit_events (at, event, data) VALUES (1, 'x', '{}') RETURNING id`
    assert.equal(await server.sql(database, next), '701')
    await server.sql(database, 'DELETE FROM audit_events WHERE id = 701')
    const back = join(folder, 'back.db')
    await copyPostgresToFile(place(database), back, { clock: systemClock })
    await sealSnapshot(back)
    assert.equal(dump(back), dump(original))
    const file = new DatabaseSync(back)
    assert.equal(file.prepare(next).get()?.['id'], 702)
    file.close()
  })

  test('KF-E08 a copy is of one moment while others write, and copies go through a pooler and past deadlines of the role', async (t) => {
    if (missingPgBouncer() !== undefined) return t.skip(missingPgBouncer())
    const database = await withTables()
    await server.sql('postgres', `ALTER DATABASE ${database} SET statement_timeout = '50ms'`)
    await server.sql('postgres', `ALTER DATABASE ${database} SET idle_in_transaction_session_timeout = '50ms'`)
    const bouncer: PgBouncer = await startPgBouncer(server)
    try {
      const pooled = { address: bouncer.address(database), settings: { ...TEST_SETTINGS, pooler: true } }
      await loadFileIntoPostgres(original, pooled, { clock: systemClock, lineage: LINEAGE, replaces: undefined })
      let stopping = false
      const writing = (async () => {
        for (let n = 0; !stopping; n++)
          await server.sql(
            database,
            `BEGIN; INSERT INTO blocked_keys VALUES ('load-${n}', 1, ''); INSERT INTO policy_versions VALUES ('load-${n}', 1, 1, '', ''); COMMIT`,
          )
      })()
      const copy = join(folder, 'pooled.db')
      await copyPostgresToFile(pooled, copy, { clock: systemClock })
      stopping = true
      await writing
      const file = new DatabaseSync(copy, { readOnly: true })
      const count = (table: string) => file.prepare(`SELECT COUNT(*) AS count FROM ${table}`).get()?.['count']
      assert.equal(count('blocked_keys'), count('policy_versions'))
      file.close()
    } finally {
      await bouncer.stop()
    }
  })

  test('a database of an earlier schema is copied as it is', async () => {
    const database = await server.createDatabase()
    const migrations = MIGRATIONS.slice(0, SCHEMA - 1)
    await (await openPostgresStore({ ...place(database), clock: systemClock, migrations })).close()
    const copy = join(folder, 'earlier.db')
    await copyPostgresToFile(place(database), copy, { clock: systemClock })
    await sealSnapshot(copy)
    assert.equal(inspectSnapshot(copy).schema, SCHEMA - 1)
  })

  test('what PostgreSQL cannot keep is refused by the name of its place, and nothing is loaded', async () => {
    const file = newFile((database) =>
      database.prepare('INSERT INTO blocked_keys VALUES (?, 1, ?)').run('spki', 'a\0b'),
    )
    const database = await withTables()
    await assert.rejects(
      load(file, database),
      /blocked_keys.reason of the row with spki_sha256 "spki" holds the character U\+0000/,
    )
    assert.equal(await findOccupant(place(database), { clock: systemClock }), undefined)
  })

  test('KF-E12 a copy that is not what was read is noticed, and nothing is loaded', async () => {
    const changes = {
      'another value': `BEGIN NEW.contact := 'x'; RETURN NEW; END`,
      'a row less': `BEGIN RETURN CASE WHEN NEW.id = 'id-2' THEN NULL ELSE NEW END; END`,
    }
    const file = newFile((made) => {
      for (const id of ['id-1', 'id-2'])
        made
          .prepare(
            `INSERT INTO accounts (id, directory, jwk, thumbprint, spki_sha256, contact, created_at) VALUES (?, 'd', 'j', ?, 's', '[]', 1)`,
          )
          .run(id, id)
    })
    for (const [what, body] of Object.entries(changes)) {
      const database = await withTables()
      await server.sql(
        database,
        `CREATE FUNCTION change() RETURNS trigger LANGUAGE plpgsql AS $$ ${body} $$;
         CREATE TRIGGER change BEFORE INSERT ON accounts FOR EACH ROW EXECUTE FUNCTION change()`,
      )
      await assert.rejects(load(file, database), /the copy of accounts is not what was copied/, what)
      assert.equal(await findOccupant(place(database), { clock: systemClock }), undefined)
    }
  })

  test('a load that ends in the middle has changed nothing, and may be made again', async () => {
    const database = await withTables()
    await server.sql(
      database,
      `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW; END $$;
       CREATE TRIGGER refuse BEFORE INSERT ON decisions FOR EACH ROW EXECUTE FUNCTION refuse()`,
    )
    await assert.rejects(load(original, database), /busy or away|lost/)
    assert.equal(await findOccupant(place(database), { clock: systemClock }), undefined)
    await server.sql(database, 'DROP TRIGGER refuse ON decisions')
    await load(original, database)
    // What was loaded is known by its lineage, and is not loaded again.
    assert.deepEqual(await load(original, database), [])
  })

  test('KF-E07 a load is refused while a server is at work, and when one starts while it is under way', async () => {
    const database = await withTables()
    const options = { ...place(database), clock: systemClock, serves: true }
    const serving = await openPostgresStore(options)
    await assert.rejects(load(original, database), /servers work on this database/)
    await serving.close()
    // The load waits in the middle of its work until a connection of this name is there.
    await server.sql(
      database,
      `CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
         WHILE (SELECT COUNT(*) FROM pg_stat_activity WHERE application_name = 'go on') = 0 LOOP
           PERFORM pg_stat_clear_snapshot(); PERFORM pg_sleep(0.05); END LOOP; RETURN NEW; END $$;
       CREATE TRIGGER wait BEFORE INSERT ON heartbeat FOR EACH ROW EXECUTE FUNCTION wait()`,
    )
    const loading = load(original, database)
    loading.catch(() => undefined)
    const waits = `SELECT COUNT(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'`
    while ((await server.sql(database, waits)) === '0');
    const started = await openPostgresStore(options)
    const goOn = server.sql(database, `SET application_name = 'go on'; SELECT pg_sleep(1)`)
    try {
      await assert.rejects(loading, /a server started on the database meanwhile/)
      await goOn
      assert.deepEqual(await started.history.lineages(), [])
    } finally {
      await started.close()
    }
  })

  test('a load that was decided on for another state of the database is refused', async () => {
    const database = await withTables()
    await server.sql(database, `INSERT INTO audit_events (at, event, data) VALUES (1, 'x', '{}')`)
    await assert.rejects(load(original, database), /written to since it was looked at/)
  })
})
