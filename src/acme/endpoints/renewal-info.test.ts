import assert from 'node:assert/strict'
import { test } from 'node:test'
import { issueCertificate, openFor, readyOrder } from '../../../test/support/acme-orders.ts'
import type { AcmeWorld, WorldOptions } from '../../../test/support/acme-world.ts'
import { identifiers, idIn } from '../../../test/support/acme-world.ts'
import { AcmeError } from '../problem.ts'
import { renderCertificateId } from '../renewal/certificate-id.ts'
import { finalize } from './finalize.ts'
import { newOrder } from './new-order.ts'
import { order } from './order.ts'
import { readRenewalInfo, renewalInfo } from './renewal-info.ts'

const WITH_PAGE: WorldOptions = {
  settings: {
    renewalInfo: { retryAfterSeconds: 21_600, explanationUrl: 'https://status.corp.test/', replacedIssuers: [] },
  },
}

async function read(world: AcmeWorld, id: string) {
  const { directory, services } = world
  const response = await readRenewalInfo({ directory, services, method: 'GET', params: { id }, accept: undefined })
  return { ...response, json: JSON.parse(JSON.stringify(response.body)) }
}

async function refusal(reading: Promise<unknown>): Promise<AcmeError> {
  const error = await reading.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  assert.ok(error instanceof AcmeError, 'it was answered')
  return error
}

test('CQ-L06 a certificate has a window within its life and a Retry-After, and the answer may be cached, without a nonce', async (t) => {
  const world = await openFor(t)
  const by = await world.account()
  const { serial } = await issueCertificate(world, by)
  const [record] = await world.store.certificates.findBySerial(serial)
  assert.ok(record)
  const reply = await read(world, renderCertificateId(record))
  assert.equal(reply.status, 200)
  assert.deepEqual(Object.keys(reply.json), ['suggestedWindow'])
  const { start, end } = reply.json.suggestedWindow
  assert.match(start + end, /^(?:\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ){2}$/)
  assert.ok(Date.parse(start) > record.notBefore.getTime() && Date.parse(start) < Date.parse(end))
  assert.ok(Date.parse(end) < record.notAfter.getTime())
  assert.ok(reply.retryAfterSeconds !== undefined && reply.retryAfterSeconds >= 60)
  assert.equal(reply.maxAgeSeconds, 60)
  const signed = await world.call(renewalInfo, { by, params: { id: renderCertificateId(record) } })
  assert.deepEqual(signed.json, reply.json)
})

test('CQ-L06 what is no identifier is malformed, what we never issued or another directory did is 404', async (t) => {
  const world = await openFor(t)
  const { serial } = await issueCertificate(world, await world.account())
  const [record] = await world.store.certificates.findBySerial(serial)
  assert.ok(record)
  const id = renderCertificateId(record)
  for (const text of ['', 'x', `${id}=`, `${id}.`, '%2e', '../directory']) {
    const error = await refusal(read(world, text))
    assert.deepEqual([error.type, error.status], ['malformed', 400], text)
  }
  const others = [
    { issuerId: 'ab'.repeat(20), serial },
    { issuerId: record.issuerId, serial: `41${serial.slice(2)}` },
  ]
  for (const other of others) {
    const error = await refusal(read(world, renderCertificateId(other)))
    assert.deepEqual([error.type, error.status], ['malformed', 404])
  }
  const elsewhere = { ...world.directory, name: 'other' }
  const reading = readRenewalInfo({
    directory: elsewhere,
    services: world.services,
    method: 'GET',
    params: { id },
    accept: undefined,
  })
  assert.equal((await refusal(Promise.resolve(reading))).status, 404)
})

test('a revoked certificate is to be renewed at once, and the client is told where to read why', async (t) => {
  const world = await openFor(t, WITH_PAGE)
  const { serial } = await issueCertificate(world, await world.account())
  const [record] = await world.store.certificates.findBySerial(serial)
  assert.ok(record)
  const id = renderCertificateId(record)
  assert.equal((await read(world, id)).json.explanationURL, undefined)
  await world.services.revocation.revoke({ ...record, reason: 4, provedKey: false, requestId: 'req' } as never)
  const { suggestedWindow, explanationURL } = (await read(world, id)).json
  assert.ok(Date.parse(suggestedWindow.start) < Date.parse(suggestedWindow.end))
  assert.ok(Date.parse(suggestedWindow.end) <= world.clock.now().getTime())
  assert.equal(explanationURL, 'https://status.corp.test/')
})

test('a replacement is shown in every state of its order, and a second one is 409 alreadyReplaced', async (t) => {
  const world = await openFor(t)
  const by = await world.account()
  const { serial } = await issueCertificate(world, by)
  const [record] = await world.store.certificates.findBySerial(serial)
  assert.ok(record)
  const replaces = renderCertificateId(record)
  const { params } = await readyOrder(world, by, ['a.test'], { replaces })
  const statuses: string[] = []
  const look = async (): Promise<void> => {
    const { json } = await world.call(order, { by, params })
    assert.equal(json.replaces, replaces)
    statuses.push(json.status)
  }
  await look()
  const again = await world.refused(newOrder, { by, payload: { ...identifiers('a.test'), replaces } })
  assert.deepEqual([again.type, again.status], ['alreadyReplaced', 409])
  await world.call(finalize, { by, params, payload: { csr: world.csr(['a.test']).csr } })
  await look()
  assert.deepEqual(statuses, ['ready', 'valid'])
  const late = await world.refused(newOrder, { by, payload: { ...identifiers('a.test'), replaces } })
  assert.equal(late.type, 'alreadyReplaced')
})

test('CQ-L03 an order that failed or ran out frees the certificate for another', async (t) => {
  const world = await openFor(t)
  const by = await world.account()
  const { serial } = await issueCertificate(world, by)
  const [record] = await world.store.certificates.findBySerial(serial)
  assert.ok(record)
  const payload = { ...identifiers('a.test', 'b.test'), replaces: renderCertificateId(record) }
  const first = await world.call(newOrder, { by, payload })
  assert.equal((await world.refused(newOrder, { by, payload })).type, 'alreadyReplaced')
  await world.disprove(by, idIn(first.json.authorizations[1]))
  const second = await world.call(newOrder, { by, payload })
  assert.equal(second.json.replaces, payload.replaces)
  assert.equal((await world.refused(newOrder, { by, payload })).type, 'alreadyReplaced')
  await world.clock.advance(8 * 86_400_000)
  assert.equal((await world.call(newOrder, { by, payload })).status, 201)
})

test('CQ-L03 twenty orders at once replace a certificate once', async (t) => {
  const world = await openFor(t)
  const by = await world.account()
  const { serial } = await issueCertificate(world, by)
  const [record] = await world.store.certificates.findBySerial(serial)
  assert.ok(record)
  const payload = { ...identifiers('a.test'), replaces: renderCertificateId(record) }
  const replies = await Promise.allSettled(Array.from({ length: 20 }, () => world.call(newOrder, { by, payload })))
  const outcomes = replies.map((reply) => (reply.status === 'fulfilled' ? 'placed' : (reply.reason as AcmeError).type))
  assert.equal(outcomes.filter((outcome) => outcome === 'placed').length, 1)
  assert.equal(outcomes.filter((outcome) => outcome === 'alreadyReplaced').length, 19)
})

test('CQ-L04 KF-B20 a certificate of another CA or another account is not replaced, not shown, and no reason to refuse', async (t) => {
  const world = await openFor(t)
  const [by, stranger] = [await world.account(), await world.account()]
  const { serial } = await issueCertificate(world, by)
  const [record] = await world.store.certificates.findBySerial(serial)
  assert.ok(record)
  const foreign = [
    { by, id: { issuerId: 'ab'.repeat(20), serial: '0123' } },
    { by, id: { issuerId: record.issuerId, serial: '0123' } },
    { by: stranger, id: record },
    { by, id: { issuerId: '', serial: '' } },
  ]
  for (const { by: asker, id } of foreign) {
    const payload = { ...identifiers('a.test'), replaces: renderCertificateId(id) }
    const reply = await world.call(newOrder, { by: asker, payload })
    assert.equal(reply.status, 201)
    assert.equal(reply.json.replaces, undefined)
  }
  const payload = { ...identifiers('a.test'), replaces: renderCertificateId(record) }
  assert.equal((await world.call(newOrder, { by, payload })).json.replaces, payload.replaces, 'and nobody used it up')
})

test('KF-B20 an order without a name of the certificate, and what is no text, are refused', async (t) => {
  const world = await openFor(t)
  const by = await world.account()
  const { serial } = await issueCertificate(world, by)
  const [record] = await world.store.certificates.findBySerial(serial)
  assert.ok(record)
  for (const replaces of [renderCertificateId(record), 7, {}, ['a'], true]) {
    const error = await world.refused(newOrder, { by, payload: { ...identifiers('b.test'), replaces } })
    assert.deepEqual([error.type, error.status], ['malformed', 400], JSON.stringify(replaces))
  }
})
