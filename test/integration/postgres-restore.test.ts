import assert from 'node:assert/strict'
import type { X509Certificate } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { assertRefused, type Journey, type RecordingClient, startJourney } from '../support/acme-journey.ts'
import { runChancery } from '../support/chancery.ts'
import { missingPostgres, type PostgresServer, startPostgres } from '../support/postgres-server.ts'

async function revokeAs(client: RecordingClient, certificate: X509Certificate) {
  const { revokeCert } = await client.directory()
  return client.post(revokeCert ?? '', { certificate: certificate.raw.toString('base64url'), reason: 4 })
}

describe('KF-E08 a database on PostgreSQL that goes back in time', { skip: missingPostgres() ?? false }, () => {
  let server: PostgresServer
  let database: string
  let earlier: string
  let folder: string
  let home: string
  let settings: string[]
  let journey: Journey
  let owner: RecordingClient
  let kept: X509Certificate
  let since: X509Certificate
  let usedKey: { readonly id: string; readonly macKey: Buffer }
  let nonce: string

  const chancery = (...args: string[]) =>
    runChancery([...args, ...settings.flatMap((setting) => ['--set', setting])], { home })

  before(async () => {
    server = await startPostgres()
    database = await server.createDatabase()
    folder = await mkdtemp(join(tmpdir(), 'chancery-pg-restore-'))
    home = join(folder, 'home')
    settings = [
      `store.url=${server.url(database)}`,
      'directories.default.externalAccount=optional',
      'publicHttpUrl=http://ca.test',
      'issuanceLog.delay=1',
    ]
    journey = await startJourney({ home, set: settings })
    owner = await journey.registered()
    kept = (await journey.issue(owner, ['kept.test'])).leaf
    const { stdout } = await chancery('eab', 'create')
    const [, id = '', mac = ''] = /Key id:\s+(\S+)\nMAC key:\s+(\S+)/.exec(stdout) ?? []
    usedKey = { id, macKey: Buffer.from(mac, 'base64url') }
    await journey.close()
    earlier = await server.copyDatabase(database)

    // Everything from here on is what the copy does not know.
    journey = await startJourney({ home, set: settings })
    owner = journey.client({ key: owner.key })
    await owner.newAccount({ onlyReturnExisting: true })
    since = (await journey.issue(owner, ['since.test'])).leaf
    const newcomer = journey.client()
    const externalAccountBinding = await newcomer.externalAccountBinding(usedKey.id, usedKey.macKey)
    assert.equal((await newcomer.newAccount({ externalAccountBinding })).status, 201)
    assert.equal((await revokeAs(owner, kept)).status, 200)
    nonce = await owner.newNonce()
  })
  after(async () => {
    await journey?.close()
    await server?.stop()
    await rm(folder, { recursive: true, force: true })
  })

  test('a restore is refused while a server works on the database', async () => {
    const { code, stderr } = await chancery('restore', '--in-place')
    assert.equal(code, 1)
    assert.match(stderr, /servers work on this database: .*Stop all of them first/)
  })

  test('a server whose database is replaced by an earlier copy while it runs ends itself', async () => {
    await server.replaceDatabase(database, earlier)
    const error = await journey.chancery.running.failure
    assert.match(error.message, /the database is older than the log of what it issued.*chancery restore --in-place/)
    await journey.close()
  })

  test('no server starts on the earlier copy', async () => {
    await assert.rejects(startJourney({ home, set: settings }), /older than the log of what it issued/)
  })

  test('after chancery restore --in-place what was issued, revoked and used since is known again, and nothing revives', async () => {
    const restored = await chancery('restore', '--in-place')
    assert.equal(restored.code, 0, restored.stderr)
    assert.match(restored.stdout, /this is life 1 of the database/)
    const [name = ''] = (await readdir(home)).filter((file) => file.startsWith('restore-report-'))
    const report = JSON.parse(await readFile(join(home, name), 'utf8'))
    assert.equal(report.coverage, 'complete')
    assert.deepEqual(
      report.certificates
        .flatMap((one: { names: string[] }) => one.names)
        .filter((one: string) => one.endsWith('.test')),
      ['since.test'],
    )

    journey = await startJourney({ home, set: settings })
    assertRefused(await journey.client().newAccount({}, { nonce }), 400, 'badNonce')
    owner = journey.client({ key: owner.key })
    assert.equal((await owner.newAccount({ onlyReturnExisting: true })).status, 200)
    assertRefused(await revokeAs(owner, kept), 400, 'alreadyRevoked')
    assert.equal((await revokeAs(owner, since)).status, 200)
    const thief = journey.client()
    const externalAccountBinding = await thief.externalAccountBinding(usedKey.id, usedKey.macKey)
    assert.ok((await thief.newAccount({ externalAccountBinding })).status >= 400)
    await journey.issue(owner, ['after.test'])
  })
})
