import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { get } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { type Clock, systemClock } from '../../src/lib/clock.ts'
import { placeOrder, proveOrder } from '../support/acme-story.ts'
import { AcmeTestClient } from '../support/acme-test-client.ts'
import { runChancery, startTestChancery, type TestChancery } from '../support/chancery.ts'
import { type HttpTarget, startHttpTarget } from '../support/http-target.ts'

const HOUR = 3_600_000
const YEAR = 365 * 24 * HOUR

let home: string
let target: HttpTarget
/** How far the machine's clock is off. */
let offMs = 0
const clock: Clock = { ...systemClock, now: () => new Date(Date.now() + offMs) }

before(async () => {
  home = await mkdtemp(join(tmpdir(), 'chancery-clock-'))
  target = await startHttpTarget({ address: '127.0.0.1' })
})

after(async () => {
  await target?.close()
  await rm(home, { recursive: true, force: true })
})

async function withServer(work: (server: TestChancery) => Promise<void>): Promise<void> {
  const server = await startTestChancery({
    home,
    clock,
    set: [
      `validation.http01.port=${target.port}`,
      'validation.attempts=1',
      'publicHttpUrl=http://ca.test',
      // What was taken from a limit while the clock was ahead is a debt now.
      'limits.enabled=false',
    ],
  })
  try {
    await work(server)
  } finally {
    await server.stop()
  }
}

/** The server's certificate is of its own time; who looks at it from ours must not mind. */
async function newClient(server: TestChancery): Promise<AcmeTestClient> {
  const client = new AcmeTestClient({ directoryUrl: server.urls.directory, insecure: true })
  assert.equal((await client.newAccount()).status, 201)
  return client
}

let orders = 0

/** A ready order, and what its finalize is answered. */
async function finalizeOne(server: TestChancery) {
  const client = await newClient(server)
  try {
    const name = `clock-${orders++}.localhost`
    const placed = await placeOrder(client, name)
    await proveOrder(client, placed, target)
    const { base64url: csr } = client.csr([name])
    const reply = await client.post(placed.finalizeUrl, { csr })
    const order = await client.postAsGet(placed.orderUrl)
    return { reply, status: order.json.status as string }
  } finally {
    client.close()
  }
}

function ready(server: TestChancery): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    get(`${server.urls.admin}/readyz`, (response) => {
      let text = ''
      response.on('data', (chunk) => {
        text += chunk
      })
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }))
    }).on('error', reject)
  })
}

async function assertSigns(server: TestChancery): Promise<void> {
  const { reply, status } = await finalizeOne(server)
  assert.equal(reply.status, 200, reply.text)
  assert.equal(status, 'valid')
  assert.equal((await ready(server)).status, 200)
}

async function assertRefuses(server: TestChancery): Promise<void> {
  const certificates = (await server.store.retention.counts())['certificates']
  const { reply, status } = await finalizeOne(server)
  assert.equal(reply.status, 503, reply.text)
  assert.match(String(reply.headers['retry-after']), /^\d+$/)
  assert.equal(status, 'ready')
  assert.equal((await server.store.retention.counts())['certificates'], certificates, 'nothing was signed')
  const said = await ready(server)
  assert.equal(said.status, 503)
  assert.match(JSON.parse(said.text).checks.clock, /nothing is signed/)
}

test('KF-E09 a clock that jumps while the server runs: an hour or a year back stops signing, ahead does not, and back from there does', async () => {
  offMs = 0
  await withServer(async (server) => {
    await assertSigns(server)
    for (const back of [HOUR, YEAR]) {
      offMs = -back
      await assertRefuses(server)
      const list = server.running.crlPublisher
      const [issuer] = server.running.issuers.values()
      const before = await list.latest(issuer?.id ?? '')
      await list.buildDue()
      assert.deepEqual(await list.latest(issuer?.id ?? ''), before, 'no list of the past takes the place of a good one')
      offMs = 0
      await assertSigns(server)
    }
    offMs = HOUR
    await assertSigns(server)
    offMs = 0
    await assertRefuses(server)
  })
})

test('KF-E09 a clock that went back while no server ran is found at the start, until it is right or an operator accepts it', async () => {
  // The server of the test before was an hour ahead, and said so in what it signed.
  offMs = 0
  await withServer(async (server) => {
    assert.match(String(server.log.of('clock.behind')[0]?.['error']), /but the store has seen/)
    await assertRefuses(server)
  })
  offMs = HOUR
  await withServer(assertSigns)

  offMs = 0
  const unsure = await runChancery(['clock', 'accept'], { home })
  assert.equal(unsure.code, 1)
  assert.match(unsure.stderr, /--yes/)
  await withServer(assertRefuses)
  const accepted = await runChancery(['clock', 'accept', '--yes'], { home })
  assert.equal(accepted.code, 0, accepted.stderr)
  await withServer(assertSigns)
  const again = await runChancery(['clock', 'accept', '--yes'], { home })
  assert.match(again.stdout, /nothing to accept/)
})

test('KF-E09 a year ahead and back again: what was signed then is found by the next start, and check says so', async () => {
  offMs = YEAR
  await withServer(assertSigns)
  offMs = 0
  const checked = await runChancery(['check'], { home })
  assert.equal(checked.code, 1)
  assert.match(checked.stdout + checked.stderr, /the store has seen .*chancery clock accept/)
  // Its own certificate is of the future too, and cannot be made anew by such a clock.
  await assert.rejects(
    withServer(() => Promise.resolve()),
    /the wall clock says .* but the store has seen/,
  )
})
