import assert from 'node:assert/strict'
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { get } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { AcmeTestClient } from '../support/acme-test-client.ts'
import { runChancery, spawnChancery, startTestChancery, type TestChancery } from '../support/chancery.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { type HttpTarget, startHttpTarget } from '../support/http-target.ts'
import { issueOnce } from '../support/issue-once.ts'
import { missingPostgres, type PostgresServer, startPostgres } from '../support/postgres-server.ts'

function statusOf(url: string): Promise<number> {
  return new Promise((resolve, reject) => {
    get(url, (response) => {
      response.resume()
      resolve(response.statusCode ?? 0)
    }).on('error', reject)
  })
}

describe('Chancery on PostgreSQL', { skip: missingPostgres() ?? false }, () => {
  let server: PostgresServer
  let target: HttpTarget
  before(async () => {
    ;[server, target] = await Promise.all([startPostgres(), startHttpTarget({ address: '127.0.0.1' })])
  })
  after(async () => {
    await target?.close()
    await server?.stop()
  })

  const settings = (database: string): string[] => [
    `store.url=${server.url(database)}`,
    `validation.http01.port=${target.port}`,
    'store.postgres.connectTimeout=1',
    'store.postgres.acquireTimeout=1',
  ]

  const clientOf = (chancery: Pick<TestChancery, 'urls' | 'rootPem'>): AcmeTestClient =>
    new AcmeTestClient({ directoryUrl: chancery.urls.directory, ca: chancery.rootPem })

  test('a stock flow, from the account to the certificate and its revocation, survives a restart', async () => {
    const database = await server.createDatabase()
    const first = await startTestChancery({ set: settings(database) })
    const home = await mkdtemp(join(tmpdir(), 'chancery-pg-home-'))
    const client = clientOf(first)
    assert.equal((await client.newAccount()).status, 201)
    const issued = await issueOnce(client, target, 'demo.localhost')
    assert.equal(issued.certificate.subjectAltName, 'DNS:demo.localhost')
    const revoked = await client.post(first.running.directories[0]?.urls.revokeCert ?? '', {
      certificate: issued.certificate.raw.toString('base64url'),
    })
    assert.equal(revoked.status, 200, revoked.text)
    const again = await client.newOrder(['demo.localhost'])
    assert.equal(again.json.status, 'ready', 'the proof is reused')
    client.close()
    await cp(first.home, home, { recursive: true })
    await first.stop()

    const second = await startTestChancery({ home, set: settings(database) })
    assert.equal(second.running.isFirstStart, false)
    assert.equal((await second.store.retention.counts())['accounts'], 1)
    await second.stop()
    await rm(home, { recursive: true })
  })

  test('while PostgreSQL is away requests get 503 with Retry-After, and afterwards the same process serves again', async () => {
    const database = await server.createDatabase()
    const chancery = await startTestChancery({ set: settings(database) })
    const client = clientOf(chancery)
    try {
      assert.equal((await client.newAccount()).status, 201)
      assert.equal(await statusOf(`${chancery.urls.admin}/readyz`), 200)
      await server.crash()
      for (let attempt = 0; attempt < 3; attempt++) {
        const refused = await client.newOrder(['demo.localhost'])
        assert.equal(refused.status, 503, refused.text)
        assert.match(refused.headers['retry-after'] ?? '', /^\d+$/)
        assert.doesNotMatch(refused.text, /ECONNREFUSED|postgres/)
      }
      assert.equal(await statusOf(`${chancery.urls.admin}/readyz`), 503)
      assert.equal(await statusOf(`${chancery.urls.admin}/healthz`), 200)
      await server.start()
      // The log of issued certificates tries again every second.
      while ((await statusOf(`${chancery.urls.admin}/readyz`)) !== 200) await new Promise((r) => setTimeout(r, 50))
      await issueOnce(client, target, 'demo.localhost')
    } finally {
      client.close()
      await chancery.stop()
    }
  })

  test('a further state folder of its own, or an empty one, is refused on a database in use, and told what to copy', async () => {
    const database = await server.createDatabase()
    const elsewhere = await server.createDatabase()
    const chancery = await startTestChancery({ set: settings(database) })
    const stranger = await startTestChancery({ set: settings(elsewhere) })
    const home = await mkdtemp(join(tmpdir(), 'chancery-pg-home-'))
    await cp(stranger.home, home, { recursive: true })
    await stranger.stop()
    const before = await chancery.store.retention.counts()
    await assert.rejects(startTestChancery({ home, set: settings(database) }), {
      message: /storage\.key does not fit postgres:.*To add a replica, copy that folder/,
    })
    await rm(home, { recursive: true })
    await assert.rejects(startTestChancery({ set: settings(database) }), {
      message: /knows certificates.*To add a replica, copy the state folder/,
    })
    assert.deepEqual(await chancery.store.retention.counts(), before, 'nothing was issued or written by either')
    await chancery.stop()
  })

  test('KF-E16 a server under which the schema was contracted stops itself and says why', async () => {
    const database = await server.createDatabase()
    const clock = new FakeClock()
    const chancery = await startTestChancery({ clock, set: settings(database) })
    await server.sql(
      database,
      "INSERT INTO schema_migrations (number, name, hash, applied_at, readable_from) VALUES (99, 'later', 'h', 0, 99)",
    )
    let failure: Error | undefined
    chancery.running.failure.then((error) => {
      failure = error
    })
    for (let turn = 0; turn < 200 && failure === undefined; turn++) {
      await clock.advance(15_000)
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    assert.match(failure?.message ?? '', /has schema 99.*cannot work with step 99/)
    await chancery.stop()
  })

  test('the commands work beside the server, and a server that cannot reach its database does not start', async () => {
    const database = await server.createDatabase()
    const set = settings(database)
    const chancery = await spawnChancery({ set })
    const flags = set.flatMap((text) => ['--set', text])
    const created = await runChancery(['eab', 'create', ...flags], { home: chancery.home })
    assert.equal(created.code, 0, created.stderr)
    const checked = await runChancery(['check', ...flags], { home: chancery.home })
    assert.match(checked.stdout, /schema is current/)
    const ended = await chancery.stop()
    assert.equal(ended.code, 0)
    assert.equal(await server.sql(database, 'SELECT count(*) FROM instances'), '0', 'it left the list of instances')
    const nowhere = await runChancery(['--set', 'store.url=postgres://nobody@127.0.0.1:1/nothing'], {
      home: chancery.home,
    })
    assert.equal(nowhere.code, 1)
    assert.match(nowhere.stderr, /the database cannot be reached/)
    await chancery.cleanup()
  })
})
