import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import type { X509Certificate } from 'node:crypto'
import { cp, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { encodePem } from '../../src/lib/pem.ts'
import { parseCertList } from '../../src/x509/crl-reader.ts'
import { assertRefused, type Journey, type RecordingClient, startJourney } from '../support/acme-journey.ts'
import type { AcmeTestClient } from '../support/acme-test-client.ts'
import { runChancery } from '../support/chancery.ts'
import { issuedRecord } from '../support/issued.ts'
import { generateTestKey, type TestKey } from '../support/test-keys.ts'

const SETTINGS = ['directories.default.externalAccount=optional', 'publicHttpUrl=http://ca.test']

interface Eab {
  readonly id: string
  readonly macKey: Buffer
}

/** Everything that was promised to clients up to the loss of the database. */
interface Before {
  readonly home: string
  readonly backup: string
  readonly owner: TestKey
  readonly ownerBefore: TestKey
  readonly closed: TestKey
  readonly usedKey: Eab
  readonly unusedKey: Eab
  readonly kept: X509Certificate
  readonly revoked: X509Certificate
  readonly issuedSince: X509Certificate
  readonly issuedSinceKey: TestKey
  readonly revokedSince: X509Certificate
  readonly openOrder: string
  readonly nonce: string
  readonly crlNumber: bigint
  readonly others: readonly X509Certificate[]
}

const folders: string[] = []
let past: Before

async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'chancery-backup-'))
  folders.push(folder)
  return folder
}

async function newEab(home: string): Promise<Eab> {
  const { stdout } = await runChancery(['eab', 'create'], { home })
  const [, id = '', mac = ''] = /Key id:\s+(\S+)\nMAC key:\s+(\S+)/.exec(stdout) ?? []
  return { id, macKey: Buffer.from(mac, 'base64url') }
}

async function registerWith(client: AcmeTestClient, { id, macKey }: Eab) {
  return client.newAccount({ externalAccountBinding: await client.externalAccountBinding(id, macKey) })
}

async function revokeAs(client: AcmeTestClient, certificate: X509Certificate) {
  const { revokeCert } = await client.directory()
  return client.post(revokeCert ?? '', { certificate: certificate.raw.toString('base64url'), reason: 4 })
}

async function crlNumber({ chancery }: Journey): Promise<bigint> {
  const issuer = [...chancery.running.issuers.values()][0]
  const reply = await fetch(`${chancery.urls.publicHttp}/crl/${issuer?.id}.crl`)
  return parseCertList(Buffer.from(await reply.arrayBuffer())).number
}

/** Issues without end until told to stop. @returns what was issued meanwhile */
function issueMeanwhile(journey: Journey, client: RecordingClient): () => Promise<X509Certificate[]> {
  let stopping = false
  const issued: X509Certificate[] = []
  const running = (async () => {
    for (let n = 0; !stopping; n++) issued.push((await journey.issue(client, [`load-${n}.test`])).leaf)
  })()
  return async () => {
    stopping = true
    await running
    return issued
  }
}

before(async () => {
  const home = join(await newFolder(), 'home')
  const journey = await startJourney({ home, set: SETTINGS })
  const owner = await journey.registered()
  const ownerBefore = owner.key
  const closed = await journey.registered()
  const [usedKey, unusedKey] = [await newEab(home), await newEab(home)]
  const kept = (await journey.issue(owner, ['kept.test'])).leaf
  const revoked = (await journey.issue(owner, ['revoked.test'])).leaf
  const stopLoad = issueMeanwhile(journey, await journey.registered())
  const backup = join(await newFolder(), 'backup')
  const made = await runChancery(['backup', '--to', backup], { home })
  assert.equal(made.code, 0, made.stderr)
  // Everything from here on is what the backup does not know.
  const { leaf: issuedSince, key: issuedSinceKey } = await journey.issue(owner, ['since.test'])
  const newcomer = journey.client()
  assert.equal((await registerWith(newcomer, usedKey)).status, 201)
  const revokedSince = (await journey.issue(newcomer, ['revoked-since.test'])).leaf
  assert.equal((await revokeAs(newcomer, revokedSince)).status, 200)
  assert.equal((await revokeAs(owner, revoked)).status, 200)
  assert.equal((await owner.keyChange(generateTestKey('ES256'))).status, 200)
  assert.equal((await closed.post(closed.accountUrl ?? '', { status: 'deactivated' })).status, 200)
  const { url } = await journey.place(owner, ['open.test'])
  const others = await stopLoad()
  await journey.chancery.running.crlPublisher.buildDue()
  past = {
    home,
    backup,
    owner: owner.key,
    ownerBefore,
    closed: closed.key,
    usedKey,
    unusedKey,
    kept,
    revoked,
    issuedSince,
    issuedSinceKey,
    revokedSince,
    openOrder: new URL(url).pathname,
    nonce: await owner.newNonce(),
    crlNumber: await crlNumber(journey),
    others,
  }
  await journey.close()
})

after(async () => {
  for (const folder of folders) await rm(folder, { recursive: true, force: true })
})

async function restored(home: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await runChancery(['restore', '--from', past.backup, ...args], { home })
  assert.equal(code, 0, stderr)
  return stdout
}

async function existing(journey: Journey, key: TestKey) {
  const client = journey.client({ key })
  return { client, reply: await client.newAccount({ onlyReturnExisting: true }) }
}

describe('KF-E08 a backup made under load, restored beside the log of what was issued', () => {
  let journey: Journey
  let said: string
  let home: string

  before(async () => {
    home = join(await newFolder(), 'home')
    await cp(past.home, home, { recursive: true })
    said = await restored(home, '--replace')
    journey = await startJourney({ home, set: SETTINGS })
  })
  after(() => journey.close())

  test('the report counts what was issued since, and a file names it', async () => {
    const [name = ''] = (await readdir(home)).filter((file) => file.startsWith('restore-report-'))
    const report = JSON.parse(await readFile(join(home, name), 'utf8'))
    const names = report.certificates.flatMap((one: { names: string[] }) => one.names)
    assert.ok(names.includes('since.test') && names.includes('revoked-since.test'))
    assert.equal(report.coverage, 'complete')
    assert.match(said, new RegExp(`Issued after the backup: ${report.certificates.length}`))
    assert.equal((await stat(join(home, name))).mode & 0o777, 0o600)
  })

  test('no certificate is unknown to the store: each that was issued can be found and revoked', async () => {
    const { client } = await existing(journey, past.owner)
    assert.equal((await revokeAs(client, past.issuedSince)).status, 200)
    assert.equal((await revokeAs(client, past.kept)).status, 200)
    for (const certificate of past.others) {
      const serial = certificate.serialNumber.toLowerCase()
      const [found] = await journey.chancery.store.certificates.findBySerial(serial)
      assert.deepEqual(found?.certificateDer, certificate.raw)
    }
  })

  test('what was revoked since stays revoked', async () => {
    const { client } = await existing(journey, past.owner)
    assertRefused(await revokeAs(client, past.revoked), 400, 'alreadyRevoked')
    const serial = past.revokedSince.serialNumber.toLowerCase()
    const [found] = await journey.chancery.store.certificates.findBySerial(serial)
    assert.equal(found?.revocationReason, 4)
  })

  test('a key that was changed since does not come back, nor an account that was closed', async () => {
    assert.equal((await existing(journey, past.owner)).reply.status, 200)
    assertRefused((await existing(journey, past.ownerBefore)).reply, 400, 'accountDoesNotExist')
    const { reply } = await existing(journey, past.closed)
    assertRefused(reply, 401, 'unauthorized')
  })

  test('KF-B14 a used external account key is used; an unused one is still good, once', async () => {
    const thief = journey.client()
    assert.equal((await registerWith(thief, past.usedKey)).status >= 400, true)
    assert.equal((await registerWith(journey.client(), past.unusedKey)).status, 201)
    assert.equal((await registerWith(journey.client(), past.unusedKey)).status >= 400, true)
  })

  test('KF-B06 a nonce from before is void although it was never spent', async () => {
    const client = journey.client()
    const reply = await client.newAccount({}, { nonce: past.nonce })
    assertRefused(reply, 400, 'badNonce')
  })

  test('KF-D05 the first CRL has a number above every earlier one, and lists what was revoked', async () => {
    assert.ok((await crlNumber(journey)) > past.crlNumber + 10n ** 12n)
  })

  test('an order that was under way has ended, and a new one succeeds', async () => {
    const { client } = await existing(journey, past.owner)
    const order = await client.postAsGet(journey.chancery.urls.base + past.openOrder)
    // It was placed after the backup, so nobody knows it.
    assert.equal(order.status, 404, order.text)
    await journey.issue(client, ['open.test'])
  })

  test('what stood there before was moved aside, not deleted', async () => {
    const [aside = ''] = (await readdir(home)).filter((name) => name.startsWith('replaced-'))
    assert.deepEqual(await readFile(join(home, aside, 'chancery.db')), await readFile(join(past.home, 'chancery.db')))
  })

  test('KF-G02 offline root and passphrases were never in the backup', async () => {
    const files = await readdir(past.backup, { recursive: true })
    assert.ok(files.includes('keys/default.key.pem'), files.join())
    assert.ok(!files.some((name) => /offline|passphrase|root\.key|tls|issued/.test(name)), files.join())
  })
})

describe('KF-E08 the same backup, restored on a new machine without the log', () => {
  let journey: Journey
  let said: string
  let home: string

  before(async () => {
    home = join(await newFolder(), 'home')
    said = await restored(home)
    journey = await startJourney({ home, set: SETTINGS })
  })
  after(() => journey.close())

  test('the loss is said in plain words', () => {
    assert.match(said, /There was no log of what was issued after the backup. NOT known/)
    assert.match(said, /chancery certificates import --from FILE/)
    assert.match(said, /External account keys that were not used yet: 2 revoked/)
  })

  test('KF-B14 no external account key of the backup is good, for any may have been used', async () => {
    for (const key of [past.usedKey, past.unusedKey])
      assert.equal((await registerWith(journey.client(), key)).status >= 400, true)
  })

  test('KF-B06 KF-D05 nonces are void and CRL numbers go on all the same', async () => {
    assertRefused(await journey.client().newAccount({}, { nonce: past.nonce }), 400, 'badNonce')
    assert.ok((await crlNumber(journey)) > past.crlNumber + 10n ** 12n)
  })

  test('a certificate from the lost time can be brought in while the server runs, and is then revoked by its key', async () => {
    const client = journey.client()
    const { revokeCert = '' } = await client.directory()
    const certificate = past.issuedSince.raw.toString('base64url')
    const byItsKey = { key: past.issuedSinceKey, jwk: past.issuedSinceKey.jwk, kid: null }
    assertRefused(await client.post(revokeCert, { certificate }, byItsKey), 403, 'unauthorized')
    const file = join(home, '..', 'since.pem')
    await writeFile(file, past.issuedSince.toString())
    const imported = await runChancery(['certificates', 'import', '--from', file], { home })
    assert.equal(imported.code, 0, imported.stderr)
    const serial = past.issuedSince.serialNumber.toLowerCase()
    assert.equal(imported.stdout.trim(), `${serial}  added`)
    assert.equal((await client.post(revokeCert, { certificate }, byItsKey)).status, 200)
    assertRefused(await client.post(revokeCert, { certificate }, byItsKey), 400, 'alreadyRevoked')
  })

  test('a certificate of another CA is not brought in', async () => {
    const file = join(home, '..', 'foreign.pem')
    await writeFile(file, encodePem('CERTIFICATE', issuedRecord('foreign.test', new Date()).certificateDer))
    const { code, stderr } = await runChancery(['certificates', 'import', '--from', file], { home })
    assert.equal(code, 1)
    assert.match(stderr, /not signed by an issuing CA of this state folder/)
  })
})

describe('KF-E08 a database that was copied back by hand', () => {
  let home: string

  before(async () => {
    home = join(await newFolder(), 'home')
    await cp(past.home, home, { recursive: true })
    for (const suffix of ['-wal', '-shm']) await rm(join(home, `chancery.db${suffix}`), { force: true })
    await cp(join(past.backup, 'chancery.db'), join(home, 'chancery.db'))
  })

  test('the start is refused, and says what to run', async () => {
    await assert.rejects(startJourney({ home, set: SETTINGS }), /older than the log.*chancery restore --in-place/s)
  })

  test('after that was run the server starts, and nothing is revived', async () => {
    const { code, stdout, stderr } = await runChancery(['restore', '--in-place'], { home })
    assert.equal(code, 0, stderr)
    assert.match(stdout, /Restored: this is life 1/)
    const journey = await startJourney({ home, set: SETTINGS })
    try {
      assert.equal((await existing(journey, past.owner)).reply.status, 200)
      assertRefused((await existing(journey, past.ownerBefore)).reply, 400, 'accountDoesNotExist')
      assert.equal((await registerWith(journey.client(), past.usedKey)).status >= 400, true)
      assertRefused(await journey.client().newAccount({}, { nonce: past.nonce }), 400, 'badNonce')
      assert.ok((await crlNumber(journey)) > past.crlNumber + 10n ** 12n)
    } finally {
      await journey.close()
    }
  })
})

test('KF-E07 a restore refuses while a server runs on the state folder', async () => {
  const home = join(await newFolder(), 'home')
  const journey = await startJourney({ home, set: SETTINGS })
  try {
    for (const args of [['--from', past.backup, '--replace'], ['--in-place']]) {
      const { code, stderr } = await runChancery(['restore', ...args], { home })
      assert.equal(code, 1)
      assert.match(stderr, /another CA than the backup|another Chancery server is running/)
    }
  } finally {
    await journey.close()
  }
})

test('a backup can be read by others than its maker only if they are root', async (t) => {
  if (process.platform === 'win32') return t.skip('no modes')
  const modes = await new Promise<string>((resolve, reject) =>
    execFile('find', [past.backup, '-perm', '/077'], (error, out) => (error ? reject(error) : resolve(out))),
  )
  assert.equal(modes, '')
})
