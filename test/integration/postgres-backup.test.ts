import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import type { X509Certificate } from 'node:crypto'
import { cp, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { verifyBackup } from '../../src/app/verify-backup.ts'
import { assertRefused, type Journey, type RecordingClient, startJourney } from '../support/acme-journey.ts'
import type { AcmeTestClient } from '../support/acme-test-client.ts'
import { runChancery } from '../support/chancery.ts'
import { crlNumber } from '../support/crl-number.ts'
import { missingPostgres, type PostgresServer, startPostgres } from '../support/postgres-server.ts'
import type { TestKey } from '../support/test-keys.ts'

const COMMON = ['directories.default.externalAccount=optional', 'publicHttpUrl=http://ca.test', 'issuanceLog.delay=1']
const KILL_AT_RENAME = fileURLToPath(new URL('../support/kill-at-rename.ts', import.meta.url))

/** Of the steps of a restore, one in so many is killed; 1 by `npm run test:restore`. */
const KILL_STEP = Number(process.env['CHANCERY_TEST_KILL_STEP'] ?? 3)

interface Eab {
  readonly id: string
  readonly macKey: Buffer
}

/** What was promised to clients up to the loss of the database. */
interface Promised {
  readonly owner: TestKey
  readonly kept: X509Certificate
  readonly since: X509Certificate
  readonly usedKey: Eab
  readonly nonce: string
  readonly crlNumber: bigint
}

async function revokeAs(client: AcmeTestClient, certificate: X509Certificate) {
  const { revokeCert } = await client.directory()
  return client.post(revokeCert ?? '', { certificate: certificate.raw.toString('base64url'), reason: 4 })
}

async function registerWith(client: AcmeTestClient, { id, macKey }: Eab) {
  return client.newAccount({ externalAccountBinding: await client.externalAccountBinding(id, macKey) })
}

async function existing(journey: Journey, key: TestKey): Promise<RecordingClient> {
  const client = journey.client({ key })
  assert.equal((await client.newAccount({ onlyReturnExisting: true })).status, 200)
  return client
}

describe('a database on PostgreSQL, backed up while it is served', { skip: missingPostgres() ?? false }, () => {
  let server: PostgresServer
  let folder: string
  let home: string
  let database: string
  let backup: string
  let past: Promised
  let folders = 0

  const settings = (url: string): string[] => [`store.url=${url}`, ...COMMON]
  const onServer = (name: string): string[] => settings(server.url(name))
  const inFile = settings('sqlite:chancery.db')
  const newHome = (): string => join(folder, `home-${folders++}`)
  const chancery = (
    at: string,
    set: readonly string[],
    args: readonly string[],
    more: { env?: Record<string, string>; onSpawn?: (child: ChildProcess) => void } = {},
  ) => runChancery([...args, ...set.flatMap((text) => ['--set', text])], { home: at, ...more })
  const epochs = (name: string) => server.sql(name, 'SELECT MAX(epoch) FROM store_lineages')

  before(async () => {
    server = await startPostgres()
    folder = await mkdtemp(join(tmpdir(), 'chancery-pg-backup-'))
    home = newHome()
    database = await server.createDatabase()
    let journey = await startJourney({ home, set: onServer(database) })
    const owner = await journey.registered()
    const { stdout } = await chancery(home, onServer(database), ['eab', 'create'])
    const [, id = '', mac = ''] = /Key id:\s+(\S+)\nMAC key:\s+(\S+)/.exec(stdout) ?? []
    const usedKey = { id, macKey: Buffer.from(mac, 'base64url') }
    const kept = (await journey.issue(owner, ['kept.test'])).leaf
    const load = await journey.registered()
    let stopping = false
    const loading = (async () => {
      for (let n = 0; !stopping; n++) await journey.issue(load, [`load-${n}.test`])
    })()
    backup = join(folder, 'backup')
    const made = await chancery(home, onServer(database), ['backup', '--to', backup])
    assert.equal(made.code, 0, made.stderr)
    stopping = true
    await loading
    // Everything from here on is what the backup does not know.
    const since = (await journey.issue(owner, ['since.test'])).leaf
    assert.equal((await registerWith(journey.client(), usedKey)).status, 201)
    assert.equal((await revokeAs(owner, kept)).status, 200)
    await journey.chancery.running.crlPublisher.buildDue()
    past = {
      owner: owner.key,
      kept,
      since,
      usedKey,
      nonce: await owner.newNonce(),
      crlNumber: await crlNumber(journey),
    }
    await journey.close()
    // Clean, so that the copies below find no server at work.
    journey = await startJourney({ home, set: onServer(database) })
    await journey.close()
  })
  after(async () => {
    await server?.stop()
    await rm(folder, { recursive: true, force: true })
  })

  /** Nothing is used twice, nothing that ended comes alive again, and it goes on. */
  async function assertNothingRevived(journey: Journey, { withLog }: { readonly withLog: boolean }): Promise<void> {
    assertRefused(await journey.client().newAccount({}, { nonce: past.nonce }), 400, 'badNonce')
    assert.ok((await crlNumber(journey)) > past.crlNumber + 10n ** 12n)
    assert.ok((await registerWith(journey.client(), past.usedKey)).status >= 400)
    const owner = await existing(journey, past.owner)
    if (withLog) {
      assertRefused(await revokeAs(owner, past.kept), 400, 'alreadyRevoked')
      assert.equal((await revokeAs(owner, past.since)).status, 200)
    } else {
      assert.equal((await revokeAs(owner, past.kept)).status, 200)
      assertRefused(await revokeAs(owner, past.since), 403, 'unauthorized')
    }
    await journey.issue(owner, ['after.test'])
  }

  test('the backup is a folder like any other, with the database as a file, and is found whole', async () => {
    const { code, stdout } = await chancery(home, [], ['backup', 'verify', backup])
    assert.equal(code, 0)
    assert.match(stdout, /whole and unchanged[\s\S]*Database: schema \d+, \d+ certificates/)
    const manifest = JSON.parse(await readFile(join(backup, 'manifest.json'), 'utf8'))
    assert.ok(manifest.database.counts.certificates >= 2)
    assert.equal((await readFile(join(backup, 'chancery.db'))).subarray(0, 15).toString(), 'SQLite format 3')
  })

  describe('KF-E08 KF-D05 KF-B06 KF-B14 restored into PostgreSQL, over a later state', () => {
    let target: string
    let at: string

    before(async () => {
      target = await server.copyDatabase(database)
      at = newHome()
      await cp(home, at, { recursive: true })
    })

    test('it is refused without --replace, and names what is in the way', async () => {
      const { code, stderr } = await chancery(at, onServer(target), ['restore', '--from', backup])
      assert.equal(code, 1)
      assert.match(stderr, new RegExp(`is not empty: .*chain.pem.*/${target}.*--replace`))
      assert.equal(await epochs(target), '0')
    })

    test('it is refused while a server works on the database', async () => {
      const journey = await startJourney({ home: at, set: onServer(target) })
      const { code, stderr } = await chancery(newHome(), onServer(target), ['restore', '--from', backup, '--replace'])
      await journey.close()
      assert.equal(code, 1)
      assert.match(stderr, /servers work on this database: .*Stop all of them first/)
    })

    test('nothing is revived, what was issued since is known by the log, and the state before is kept', async () => {
      const { code, stdout, stderr } = await chancery(at, onServer(target), ['restore', '--from', backup, '--replace'])
      assert.equal(code, 0, stderr)
      assert.match(stdout, /this is life 1 of the database/)
      assert.match(stdout, /named by --set store.url/)
      const [aside = ''] = (await readdir(at)).filter((name) => name.startsWith('replaced-'))
      const kept = new DatabaseSync(join(at, aside, 'chancery-postgres.db'), { readOnly: true })
      const certificates = kept.prepare('SELECT COUNT(*) AS count FROM certificates').get()?.['count']
      kept.close()
      assert.equal(String(certificates), await server.sql(database, 'SELECT COUNT(*) FROM certificates'))
      const journey = await startJourney({ home: at, set: onServer(target) })
      try {
        await assertNothingRevived(journey, { withLog: true })
      } finally {
        await journey.close()
      }
    })
  })

  test('KF-E08 it is restored into SQLite, backed up there, and restored into an empty database of PostgreSQL', async () => {
    const small = newHome()
    const back = await chancery(small, inFile, ['restore', '--from', backup])
    assert.equal(back.code, 0, back.stderr)
    let journey = await startJourney({ home: small, set: inFile })
    try {
      await assertNothingRevived(journey, { withLog: false })
    } finally {
      await journey.close()
    }
    const grown = join(folder, 'backup-of-sqlite')
    const made = await chancery(small, inFile, ['backup', '--to', grown])
    assert.equal(made.code, 0, made.stderr)
    const target = await server.createDatabase()
    const large = newHome()
    const restored = await chancery(large, onServer(target), ['restore', '--from', grown])
    assert.equal(restored.code, 0, restored.stderr)
    journey = await startJourney({ home: large, set: onServer(target) })
    try {
      const owner = await existing(journey, past.owner)
      assertRefused(await revokeAs(owner, past.kept), 400, 'alreadyRevoked')
      await journey.issue(owner, ['large.test'])
      assert.equal(await epochs(target), '2')
    } finally {
      await journey.close()
    }
  })

  test('a server on PostgreSQL makes backups by itself when it is told to', async () => {
    const target = await server.copyDatabase(database)
    const at = newHome()
    await cp(home, at, { recursive: true })
    const directory = join(folder, 'scheduled')
    const every = ['backup.every=1h', `backup.directory=${directory}`]
    const journey = await startJourney({ home: at, set: [...onServer(target), ...every] })
    try {
      const { log } = journey.chancery
      while (log.of('backup.made').length === 0) {
        assert.deepEqual(log.of('background.failed'), [])
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
      await verifyBackup(String(log.of('backup.made')[0]?.path))
    } finally {
      await journey.close()
    }
  })

  test('another CA’s database is not replaced, whatever was said', async () => {
    const other = await server.createDatabase()
    await (await startJourney({ set: onServer(other) })).close()
    const { code, stderr } = await chancery(newHome(), onServer(other), ['restore', '--from', backup, '--replace'])
    assert.equal(code, 1)
    assert.match(stderr, /belongs to another CA than the backup/)
  })

  test('KF-E08 a restore killed at any of its steps leaves what was there, or no server starts until it is finished', async (t) => {
    const outcomes = { untouched: 0, finished: 0 }
    for (let rename = 1; ; rename += KILL_STEP) {
      const target = await server.copyDatabase(database)
      const at = newHome()
      await cp(home, at, { recursive: true })
      const { code, stderr } = await chancery(at, onServer(target), ['restore', '--from', backup, '--replace'], {
        env: { NODE_OPTIONS: `--import=${KILL_AT_RENAME}`, CHANCERY_TEST_KILL_RENAME: String(rename) },
      })
      if (code === 0) break
      assert.equal(code, null, stderr)
      if ((await readdir(at)).includes('restore.ready')) {
        await assert.rejects(startJourney({ home: at, set: onServer(target) }), /restore was cut short.*--finish/)
        const finished = await chancery(at, onServer(target), ['restore', '--finish'])
        assert.equal(finished.code, 0, finished.stderr)
        assert.equal(await epochs(target), '1')
        outcomes.finished++
      } else {
        assert.equal(await epochs(target), '0')
        outcomes.untouched++
      }
      if (rename % 4 === 1) await (await startJourney({ home: at, set: onServer(target) })).close()
      await server.dropDatabase(target)
      await rm(at, { recursive: true })
    }
    t.diagnostic(JSON.stringify(outcomes))
    assert.ok(outcomes.untouched >= 1 && outcomes.finished >= 2)
  })

  test('KF-E08 a restore killed while it loads has changed nothing in the database, and is finished or given up', async () => {
    const target = await server.copyDatabase(database)
    await server.sql(
      target,
      `CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(30); RETURN NEW; END $$;
       CREATE TRIGGER wait BEFORE INSERT ON decisions FOR EACH ROW EXECUTE FUNCTION wait()`,
    )
    const at = newHome()
    await cp(home, at, { recursive: true })
    let child: ChildProcess | undefined
    const restoring = chancery(at, onServer(target), ['restore', '--from', backup, '--replace'], {
      onSpawn: (spawned) => {
        child = spawned
      },
    })
    const loading = `SELECT COUNT(*) FROM pg_stat_activity WHERE datname = '${target}' AND wait_event = 'PgSleep'`
    while ((await server.sql('postgres', loading)) === '0') assert.equal(child?.exitCode, null)
    child?.kill('SIGKILL')
    await restoring
    await server.sql(
      'postgres',
      `SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '${target}'`,
    )
    await server.sql(target, 'DROP TRIGGER wait ON decisions')
    assert.equal(await epochs(target), '0')
    await assert.rejects(startJourney({ home: at, set: onServer(target) }), /restore was cut short.*--finish/)

    // With other settings it would be another database; and one that went on meanwhile is not overwritten.
    const elsewhere = await chancery(at, onServer(database), ['restore', '--finish'])
    assert.match(elsewhere.stderr, /the restore is into .* but store.url leads to/)
    const again = await server.copyDatabase(target)
    await server.sql(target, `INSERT INTO audit_events (at, event, data) VALUES (1, 'x', '{}')`)
    const late = await chancery(at, onServer(target), ['restore', '--finish'])
    assert.equal(late.code, 1)
    assert.match(late.stderr, /was not changed: .*written to since.*Or remove .*restore.ready/s)
    await server.replaceDatabase(target, again)
    const finished = await chancery(at, onServer(target), ['restore', '--finish'])
    assert.equal(finished.code, 0, finished.stderr)
    assert.equal(await epochs(target), '1')
    await (await startJourney({ home: at, set: onServer(target) })).close()
  })

  test('a restore of which the load fails changes neither the database nor the state folder', async () => {
    const target = await server.copyDatabase(database)
    await server.sql(
      target,
      `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW; END $$;
       CREATE TRIGGER refuse BEFORE INSERT ON decisions FOR EACH ROW EXECUTE FUNCTION refuse()`,
    )
    const at = newHome()
    await cp(home, at, { recursive: true })
    const files = await readdir(at, { recursive: true })
    const { code, stderr } = await chancery(at, onServer(target), ['restore', '--from', backup, '--replace'])
    assert.equal(code, 1)
    assert.match(stderr, /was not changed/)
    assert.deepEqual(await readdir(at, { recursive: true }), files)
    assert.equal(await epochs(target), '0')
    await (await startJourney({ home: at, set: onServer(target) })).close()
  })
})
