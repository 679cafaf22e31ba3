import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, before, describe, test } from 'node:test'
import { systemClock } from '../../src/lib/clock.ts'
import { systemRandom } from '../../src/lib/random.ts'
import { type MoveOptions, moveDatabase } from '../../src/store/copy/move.ts'
import { type MoveEnd, postgresEnd, sqliteEnd } from '../../src/store/copy/move-ends.ts'
import { openPostgresStore } from '../../src/store/postgres/engine.ts'
import { openSqliteStore } from '../../src/store/sqlite/engine.ts'
import { assertRefused, type Placed, startJourney } from '../support/acme-journey.ts'
import type { AcmeTestClient } from '../support/acme-test-client.ts'
import { runChancery } from '../support/chancery.ts'
import { crlNumber } from '../support/crl-number.ts'
import { missingPostgres, type PostgresServer, startPostgres, TEST_SETTINGS } from '../support/postgres-server.ts'
import type { TestKey } from '../support/test-keys.ts'

const COMMON = ['directories.default.externalAccount=optional', 'publicHttpUrl=http://ca.test', 'issuanceLog.delay=1']

interface Eab {
  readonly id: string
  readonly macKey: Buffer
}

async function registerWith(client: AcmeTestClient, { id, macKey }: Eab) {
  return client.newAccount({ externalAccountBinding: await client.externalAccountBinding(id, macKey) })
}

describe('chancery store move', { skip: missingPostgres() ?? false }, () => {
  let server: PostgresServer
  let folder: string
  /** A state folder that began on SQLite, as its server left it. */
  let began: string
  let owner: TestKey
  let usedKey: Eab
  let unusedKey: Eab
  let nonce: string
  let number: bigint
  let opened: Placed
  let proved: string
  let homes = 0

  const settings = (url: string): string[] => [`store.url=${url}`, ...COMMON]
  const inFile = settings('sqlite:chancery.db')
  const chancery = (
    home: string,
    set: readonly string[],
    args: readonly string[],
    onSpawn: (child: ChildProcess) => void = () => undefined,
  ) => runChancery([...args, ...set.flatMap((text) => ['--set', text])], { home, onSpawn })
  const copyOfHome = async (): Promise<string> => {
    const home = join(folder, `home-${homes++}`)
    await cp(began, home, { recursive: true })
    return home
  }
  const marks = (path: string) => {
    const database = new DatabaseSync(path, { readOnly: true })
    const rows = database.prepare('SELECT lineage FROM store_lineages ORDER BY epoch').all()
    database.close()
    return rows.map(({ lineage }) => String(lineage).split(' ').slice(0, 2).join(' '))
  }

  before(async () => {
    server = await startPostgres()
    folder = await mkdtemp(join(tmpdir(), 'chancery-move-'))
    began = join(folder, 'began')
    const journey = await startJourney({ home: began, set: inFile })
    const newEab = async (): Promise<Eab> => {
      const { stdout } = await chancery(began, inFile, ['eab', 'create'])
      const [, id = '', mac = ''] = /Key id:\s+(\S+)\nMAC key:\s+(\S+)/.exec(stdout) ?? []
      return { id, macKey: Buffer.from(mac, 'base64url') }
    }
    usedKey = await newEab()
    unusedKey = await newEab()
    assert.equal((await registerWith(journey.client(), usedKey)).status, 201)
    const client = await journey.registered()
    owner = client.key
    await journey.issue(client, ['proved.test'])
    proved = 'proved.test'
    opened = await journey.place(client, ['open.test'])
    nonce = await client.newNonce()
    number = await crlNumber(journey)
    await journey.close()
  })
  after(async () => {
    await server?.stop()
    await rm(folder, { recursive: true, force: true })
  })

  test('KF-B06 KF-B14 KF-D05 all goes on in PostgreSQL, and nothing can go on in the file; and back again', async () => {
    const home = await copyOfHome()
    const database = await server.createDatabase()
    const large = settings(server.url(database))
    const moved = await chancery(home, inFile, ['store', 'move', '--to', server.url(database)])
    assert.equal(moved.code, 0, moved.stderr)
    assert.match(moved.stdout, /certificates +\d+ rows {2}SHA-256/)

    await assert.rejects(startJourney({ home, set: inFile }), /was moved to postgres:.*set store.url to that/)
    const late = await chancery(home, inFile, ['eab', 'create'])
    assert.equal(late.code, 1)
    assert.match(late.stderr, /was moved to postgres:/)
    assert.match((await chancery(home, inFile, ['check'])).stdout, /was moved to postgres:/)
    const twice = await chancery(home, inFile, ['store', 'move', '--to', server.url(await server.createDatabase())])
    assert.match(twice.stderr, /was moved to postgres:/)

    let journey = await startJourney({ home, set: large })
    try {
      assertRefused(await journey.client().newAccount({}, { nonce }), 400, 'badNonce')
      const client = journey.client({ key: owner })
      assert.equal((await client.newAccount({ onlyReturnExisting: true })).status, 200)
      assert.ok((await registerWith(journey.client(), usedKey)).status >= 400)
      assert.equal((await registerWith(journey.client(), unusedKey)).status, 201)
      // Nothing had to end: the proof counts on, and the order is as it was.
      const placed = await journey.place(client, [proved])
      assert.equal(placed.reply.json.status, 'ready')
      const order = await client.postAsGet(journey.chancery.urls.base + new URL(opened.url).pathname)
      assert.equal(order.json.status, 'pending')
      await journey.chancery.running.crlPublisher.buildDue()
      const now = await crlNumber(journey)
      assert.ok(now >= number && now < number + 10n ** 12n)
      await journey.issue(client, ['large.test'])
    } finally {
      await journey.close()
    }
    const back = await chancery(home, large, ['store', 'move', '--to', 'sqlite:again.db'])
    assert.equal(back.code, 0, back.stderr)
    await assert.rejects(startJourney({ home, set: large }), /was moved to .*again.db/)
    journey = await startJourney({ home, set: settings('sqlite:again.db') })
    try {
      const client = journey.client({ key: owner })
      assert.equal((await client.newAccount({ onlyReturnExisting: true })).status, 200)
      await journey.issue(client, ['again.test'])
    } finally {
      await journey.close()
    }
  })

  test('KF-E07 it is refused while a server is at work on either side, and into a database that is in use', async () => {
    const home = await copyOfHome()
    const database = await server.createDatabase()
    const move = () => chancery(home, inFile, ['store', 'move', '--to', server.url(database)])
    let journey = await startJourney({ home, set: inFile })
    assert.match((await move()).stderr, /another Chancery server is running/)
    await journey.close()
    journey = await startJourney({ set: settings(server.url(database)) })
    assert.match((await move()).stderr, /servers work on this database/)
    await journey.close()
    assert.match((await move()).stderr, /is not empty; name a new database/)
    assert.match((await chancery(home, inFile, ['store', 'move', '--to', 'sqlite:chancery.db'])).stderr, /already/)
    await (await startJourney({ home, set: inFile })).close()
  })

  test('killed in the middle of the copy, the file is served as before, and the next try moves it', async () => {
    const home = await copyOfHome()
    const database = await server.createDatabase()
    const large = settings(server.url(database))
    const place = { address: server.address(database), settings: TEST_SETTINGS }
    await (await openPostgresStore({ ...place, clock: systemClock })).close()
    await server.sql(
      database,
      `CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(30); RETURN NEW; END $$;
       CREATE TRIGGER wait BEFORE INSERT ON audit_events FOR EACH ROW EXECUTE FUNCTION wait()`,
    )
    let child: ChildProcess | undefined
    const moving = chancery(home, inFile, ['store', 'move', '--to', server.url(database)], (spawned) => {
      child = spawned
    })
    while ((await server.sql('postgres', `SELECT COUNT(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'`)) === '0')
      assert.equal(child?.exitCode, null)
    child?.kill('SIGKILL')
    await moving
    const cut = `SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '${database}'`
    await server.sql('postgres', cut)
    await server.sql(database, 'DROP TRIGGER wait ON audit_events')
    await (await startJourney({ home, set: inFile })).close()
    const moved = await chancery(home, inFile, ['store', 'move', '--to', server.url(database)])
    assert.equal(moved.code, 0, moved.stderr)
    await (await startJourney({ home, set: large })).close()
  })

  /** Both ends of a move, to end it between its steps. */
  async function ends(home: string, database: string): Promise<{ file: MoveEnd; large: MoveEnd }> {
    const place = { address: server.address(database), settings: TEST_SETTINGS }
    await (await openPostgresStore({ ...place, clock: systemClock })).close()
    return {
      file: sqliteEnd(join(home, 'chancery.db')),
      large: postgresEnd(place, 'the server', { clock: systemClock }),
    }
  }
  const options = { clock: systemClock, random: systemRandom, voidSecrets: ['nonce-key'] }
  const cutAfter = (step: string): Pick<MoveOptions, 'after'> => ({
    after: async (done) => {
      if (done === step) throw new Error('power cut')
    },
  })

  test('cut short between its commits, at most one of the two is served, and the next try ends it', async () => {
    for (const step of ['copied', 'marked']) {
      const home = await copyOfHome()
      const database = await server.createDatabase()
      const large = settings(server.url(database))
      const { file, large: to } = await ends(home, database)
      await assert.rejects(moveDatabase({ ...options, from: file, to, ...cutAfter(step) }), /power cut/)
      file.close()
      const isAway = step === 'marked'
      assert.equal(marks(join(home, 'chancery.db')).at(-1)?.startsWith('moved away') ?? false, isAway)
      await assert.rejects(startJourney({ home, set: large }), /the move of .* to this database did not end/)
      if (isAway) await assert.rejects(startJourney({ home, set: inFile }), /was moved to the server/)
      else await (await startJourney({ home, set: inFile })).close()
      const moved = await chancery(home, inFile, ['store', 'move', '--to', server.url(database)])
      assert.equal(moved.code, 0, moved.stderr)
      await (await startJourney({ home, set: large })).close()
    }
  })

  test('what a command writes to PostgreSQL while it is moved is not lost: it is noticed, and served from there on', async () => {
    const home = await copyOfHome()
    const database = await server.createDatabase()
    const first = await ends(home, database)
    await moveDatabase({ ...options, from: first.file, to: first.large })
    first.file.close()
    const path = join(home, 'target.db')
    await (await openSqliteStore({ path, clock: systemClock })).close()
    const target = sqliteEnd(path)
    const after = async (): Promise<void> => {
      await server.sql(database, `INSERT INTO audit_events (at, event, data) VALUES (1, 'x', '{}')`)
    }
    const moving = moveDatabase({ ...options, from: first.large, to: target, after })
    await assert.rejects(moving, /a command wrote to the server while it was moved; nothing was moved/)
    const large = settings(server.url(database))
    await (await startJourney({ home, set: large })).close()
    await moveDatabase({ ...options, from: first.large, to: target })
    target.close()
    await (await startJourney({ home, set: settings('sqlite:target.db') })).close()
  })

  test('when the new place is lost, a restore goes on from the old one', async () => {
    const home = await copyOfHome()
    const database = await server.createDatabase()
    assert.equal((await chancery(home, inFile, ['store', 'move', '--to', server.url(database)])).code, 0)
    const restored = await chancery(home, inFile, ['restore', '--in-place'])
    assert.equal(restored.code, 0, restored.stderr)
    assert.ok(!marks(join(home, 'chancery.db')).some((one) => one.startsWith('moved')))
    const journey = await startJourney({ home, set: inFile })
    assert.ok((await crlNumber(journey)) > number + 10n ** 12n)
    await journey.close()
  })
})
