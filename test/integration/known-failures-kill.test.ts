import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { type Clock, systemClock } from '../../src/lib/clock.ts'
import { parseTbsCertificate } from '../../src/x509/certificate.ts'
import { AcmeTestClient } from '../support/acme-test-client.ts'
import { type SpawnedChancery, spawnChancery, startTestChancery } from '../support/chancery.ts'
import { type HttpTarget, startHttpTarget } from '../support/http-target.ts'
import { generateTestKey, type TestKey } from '../support/test-keys.ts'

/** On the way of a certificate, in its order; "before" a commit is after everything that led to it. */
const PLACES = [
  'after order.created',
  'after challenge.responded',
  'before validation.succeeded',
  'after validation.succeeded',
  'before certificate.intended',
  'after certificate.intended',
  'before certificate.issued',
  'after certificate.issued',
  'before certificate.revoked',
  'after certificate.revoked',
]
const RANDOM_KILLS = 2
const WORKERS = 8
/** Past the time for which work under way is left to the process that began it. */
const LATER_MS = 90_000
const KILL_AT = fileURLToPath(new URL('../support/kill-at.ts', import.meta.url))

/** What a client was told by an answer that came whole; URLs as paths, for the port changes from start to start. */
interface Promised {
  readonly key: TestKey
  account?: string
  readonly orders: {
    order: string
    authorization?: string
    isProved?: true
    csr?: string
    certificate?: string
    pem?: string
    isRevoked?: true
  }[]
}

let home: string
let target: HttpTarget
const promises: Promised[] = []
const settings = (): string[] => [
  `validation.http01.port=${target.port}`,
  'validation.attempts=1',
  // In the certificates, so it has to outlive the changing ports.
  'publicHttpUrl=http://ca.test',
]
const signedFile = (): string => join(home, 'signed.hex')

before(async () => {
  home = await mkdtemp(join(tmpdir(), 'chancery-kill-'))
  target = await startHttpTarget({ address: '127.0.0.1' })
})

after(async () => {
  await target?.close()
  await rm(home, { recursive: true, force: true })
})

const pathOf = (url: string | undefined): string => new URL(url ?? '').pathname

function clientOf(server: { urls: { directory: string; base: string }; rootPem: string }, promised: Promised) {
  const client = new AcmeTestClient({ directoryUrl: server.urls.directory, ca: server.rootPem, key: promised.key })
  if (promised.account !== undefined) client.accountUrl = server.urls.base + promised.account
  return client
}

/** Issues and revokes until the server dies, keeping a record of every answer that came. */
async function load(server: SpawnedChancery, promised: Promised, label: string): Promise<void> {
  const client = clientOf(server, promised)
  try {
    const account = await client.newAccount()
    assert.equal(account.status, 201, account.text)
    promised.account = pathOf(account.headers.location)
    for (let n = 0; ; n++) await issueOne(client, promised, `${label}-${n}.localhost`)
  } catch (error) {
    // A server that is gone breaks connections; anything else is an answer that was wrong.
    if (!(error instanceof Error) || !('code' in error) || error.code === 'ERR_ASSERTION') throw error
  } finally {
    client.close()
  }
}

async function issueOne(client: AcmeTestClient, promised: Promised, name: string): Promise<void> {
  const placed = await client.newOrder([name])
  assert.equal(placed.status, 201, placed.text)
  const known: Promised['orders'][number] = { order: pathOf(placed.headers.location) }
  promised.orders.push(known)
  const [authorizationUrl] = placed.json.authorizations
  known.authorization = pathOf(authorizationUrl)
  const { challenges } = (await client.postAsGet(authorizationUrl)).json
  const challenge = challenges.find((one: { type: string }) => one.type === 'http-01')
  target.provision(challenge.token, client.keyAuthorization(challenge.token))
  assert.equal((await client.post(challenge.url, {})).status, 200)
  const proved = await client.poll(authorizationUrl)
  assert.equal(proved.json?.status, 'valid', proved.text)
  known.isProved = true
  known.csr = client.csr([name]).base64url
  const finalized = await client.post(placed.json.finalize, { csr: known.csr })
  assert.equal(finalized.status, 200, finalized.text)
  known.certificate = pathOf(finalized.json.certificate)
  known.pem = (await client.postAsGet(finalized.json.certificate)).text
  const { revokeCert } = await client.directory()
  const certificate = new X509Certificate(known.pem).raw.toString('base64url')
  const revoked = await client.post(revokeCert ?? '', { certificate, reason: 4 })
  assert.equal(revoked.status, 200, revoked.text)
  known.isRevoked = true
}

async function start(kill?: string): Promise<SpawnedChancery> {
  return spawnChancery({
    home,
    set: settings(),
    env: {
      NODE_OPTIONS: `--import=${KILL_AT}`,
      CHANCERY_TEST_SIGNED: signedFile(),
      ...(kill === undefined ? {} : { CHANCERY_TEST_KILL: kill }),
    },
  })
}

/** Lets a life without a kill end what was under way, or it would bring the next one to its place before it is ready. */
async function nothingLeft(): Promise<void> {
  const server = await start()
  const database = new DatabaseSync(join(home, 'chancery.db'), { readOnly: true })
  const left = database.prepare(`SELECT (SELECT COUNT(*) FROM validation_jobs) + (
    SELECT COUNT(*) FROM certificates WHERE issued_at IS NULL AND abandoned_at IS NULL) AS count`)
  while (Number(left.get()?.['count']) > 0) await new Promise((resolve) => setTimeout(resolve, 5))
  database.close()
  await server.stop()
}

function newPromise(): Promised {
  const promised: Promised = { key: generateTestKey('ES256'), orders: [] }
  promises.push(promised)
  return promised
}

const acknowledged = () => promises.flatMap(({ orders }) => orders).filter(({ pem }) => pem !== undefined)

test('KF-E01 KF-E13 kill -9 around every commit and at random moments: nothing acknowledged is lost, no serial is used twice, every order ends', async (t) => {
  // The first start issues to itself; the places below are for what clients are issued.
  assert.deepEqual(await (await start()).stop(), { code: 0, signal: null })
  for (const place of PLACES) {
    const server = await start(place)
    await load(server, newPromise(), place.replace(/[ .]/g, '-'))
    assert.equal((await server.stop('SIGKILL')).signal, 'SIGKILL')
    assert.equal(server.stderr().includes('Error'), false, server.stderr())
    await nothingLeft()
  }
  for (let round = 0; round < RANDOM_KILLS; round++) {
    const server = await start()
    const loads = Array.from({ length: WORKERS }, (_, worker) => load(server, newPromise(), `r${round}-${worker}`))
    const begun = acknowledged().length
    while (acknowledged().length === begun) await new Promise((resolve) => setTimeout(resolve, 5))
    const killAfterMs = 200 + Math.random() * 1_000
    t.diagnostic(`round ${round}: killed ${Math.round(killAfterMs)} ms after the first certificate`)
    await new Promise((resolve) => setTimeout(resolve, killAfterMs))
    await server.stop('SIGKILL')
    await Promise.all(loads)
  }
  t.diagnostic(`${acknowledged().length} certificates were acknowledged`)

  const later: Clock = { ...systemClock, now: () => new Date(Date.now() + LATER_MS) }
  const server = await startTestChancery({ home, set: settings(), clock: later })
  try {
    for (const promised of promises) await checkPromises(server, promised)
  } finally {
    await server.stop()
  }
  await checkStore()
})

async function checkPromises(server: Awaited<ReturnType<typeof startTestChancery>>, promised: Promised): Promise<void> {
  const client = clientOf(server, promised)
  const at = (path: string): string => server.urls.base + path
  try {
    const again = await client.newAccount()
    assert.ok([200, 201].includes(again.status), again.text)
    if (promised.account !== undefined) assert.equal(pathOf(again.headers.location), promised.account)
    for (const known of promised.orders) {
      if (known.isProved) assert.equal((await client.postAsGet(at(known.authorization ?? ''))).json.status, 'valid')
      let order = await client.poll(at(known.order))
      assert.equal(order.status, 200, `an order was lost: ${order.text}`)
      if (known.isProved) {
        if (order.json.status === 'ready') order = await client.post(order.json.finalize, { csr: known.csr })
        order = await client.poll(at(known.order))
        assert.equal(order.json.status, 'valid', order.text)
      } else if (order.json.status === 'pending') {
        const authorization = await client.poll(at(known.authorization ?? ''), { tries: 1 })
        assert.equal(authorization.json.status, 'pending')
      } else assert.equal(order.json.status, 'ready', order.text)
      if (known.certificate === undefined) continue
      assert.equal(pathOf(order.json.certificate), known.certificate)
      const { text } = await client.postAsGet(order.json.certificate)
      if (known.pem !== undefined) assert.equal(text, known.pem)
      if (known.isRevoked) {
        const payload = { certificate: new X509Certificate(text).raw.toString('base64url'), reason: 4 }
        const revoked = await client.post((await client.directory())['revokeCert'] ?? '', payload)
        assert.equal(revoked.json.type, 'urn:ietf:params:acme:error:alreadyRevoked', revoked.text)
      }
    }
  } finally {
    client.close()
  }
}

interface StoredCertificate {
  readonly serial: string
  readonly order_id: string | null
  readonly tbs_der: Uint8Array
  readonly certificate_der: Uint8Array | null
  readonly abandoned_at: number | null
}

/** What the database holds in the end, and whether it knows everything that the key ever signed. */
async function checkStore(): Promise<void> {
  const database = new DatabaseSync(join(home, 'chancery.db'), { readOnly: true })
  try {
    const certificates = database
      .prepare('SELECT serial, order_id, tbs_der, certificate_der, abandoned_at FROM certificates')
      .all() as unknown as StoredCertificate[]
    const issued = certificates.filter(({ certificate_der }) => certificate_der !== null)
    assert.equal(new Set(certificates.map(({ serial }) => serial)).size, certificates.length)
    const orders = issued.flatMap(({ order_id }) => order_id ?? [])
    assert.equal(new Set(orders).size, orders.length, 'an order has two certificates')
    const open = certificates.filter((one) => one.certificate_der === null && one.abandoned_at === null)
    assert.deepEqual(open, [], 'a reservation never ended')
    const known = new Set(certificates.map(({ tbs_der }) => Buffer.from(tbs_der).toString('hex')))
    const lines = (await readFile(signedFile(), 'utf8')).trim().split('\n')
    let leaves = 0
    for (const line of lines) {
      const serial = serialOf(Buffer.from(line, 'hex'))
      if (serial === undefined) continue
      leaves++
      assert.ok(known.has(line), `the store does not know what was signed under ${serial}`)
    }
    assert.ok(leaves >= acknowledged().length, `only ${leaves} signatures were seen`)
    assert.equal(database.prepare('PRAGMA integrity_check').get()?.['integrity_check'], 'ok')
  } finally {
    database.close()
  }
}

/** The serial of a leaf; undefined for what else a CA signs. */
function serialOf(message: Buffer): string | undefined {
  try {
    const { serialHex, basicConstraints } = parseTbsCertificate(message)
    return basicConstraints?.ca === true ? undefined : serialHex
  } catch {
    return undefined
  }
}
