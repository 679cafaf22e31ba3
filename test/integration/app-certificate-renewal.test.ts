import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { connect } from 'node:tls'
import { startTestChancery, type TestChancery } from '../support/chancery.ts'
import { FakeClock } from '../support/fake-clock.ts'

const HOUR = 3_600_000
const START = Date.parse('2026-03-01T12:00:00Z')
let clock: FakeClock
let chancery: TestChancery

before(async () => {
  clock = new FakeClock('2026-03-01T12:00:00Z')
  chancery = await startTestChancery({
    clock,
    set: ['tls.lifetime=3d', 'tls.names=["extra.internal", "127.0.0.1"]', 'chaos.badNoncePercent=1'],
  })
})
after(() => chancery?.stop())

/** The chain that the ACME listener sends, leaf first. */
async function servedChain(): Promise<X509Certificate[]> {
  const socket = connect({
    port: Number(new URL(chancery.urls.base).port),
    host: '127.0.0.1',
    servername: 'localhost',
    rejectUnauthorized: false,
  })
  await once(socket, 'secureConnect')
  const chain: X509Certificate[] = []
  for (let at = socket.getPeerX509Certificate(); at !== undefined; at = at.issuerCertificate) chain.push(at)
  socket.destroy()
  return chain
}

/** Moves the wall clock in one jump, then lets the minutely chores run once. */
async function jumpTo(hoursAfterStart: number): Promise<void> {
  clock.setWall(new Date(START + hoursAfterStart * HOUR))
  await clock.advance(61_000)
  // A renewal makes a key and commits twice: real work, which no fake clock waits for.
  for (let tries = 0; tries < 200 && chancery.log.of('tls.issued').length === issuedBefore; tries++)
    await new Promise((resolve) => setTimeout(resolve, 10))
}
let issuedBefore = 0

test('CQ-D08 the listener sends its certificate and the issuing CA, for the public host and the names added', async () => {
  const [leaf, issuing, ...more] = await servedChain()
  assert.ok(leaf && issuing)
  assert.equal(more.length, 0)
  assert.equal(leaf.subjectAltName, 'DNS:localhost, DNS:extra.internal, IP Address:127.0.0.1')
  assert.ok(leaf.checkIssued(issuing) && leaf.verify(issuing.publicKey))
  assert.ok(issuing.verify(new X509Certificate(chancery.rootPem).publicKey))
})

test('KF-E15 our own certificate renews itself at two thirds of its life, and is served without a restart', async () => {
  const [first] = await servedChain()
  await jumpTo(47)
  assert.equal((await servedChain())[0]?.serialNumber, first?.serialNumber)
  issuedBefore = chancery.log.of('tls.issued').length
  await jumpTo(49)
  const [second] = await servedChain()
  assert.ok(second && first)
  assert.notEqual(second.serialNumber, first.serialNumber)
  assert.notDeepEqual(
    second.publicKey.export({ type: 'spki', format: 'der' }),
    first.publicKey.export({ type: 'spki', format: 'der' }),
  )
  assert.ok(new Date(second.validTo) > new Date(first.validTo))
  assert.match(await readFile(join(chancery.home, 'tls.pem'), 'utf8'), /BEGIN CERTIFICATE/)
})

test('KF-G12 settings that make the server misbehave are shouted into the log, again every minute', async () => {
  const before = chancery.log.of('chaos.on').length
  assert.ok(before >= 1)
  issuedBefore = chancery.log.of('tls.issued').length - 1
  await clock.advance(61_000)
  assert.ok(chancery.log.of('chaos.on').length > before)
})
