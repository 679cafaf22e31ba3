import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { downloadLeaf, openFor, readStatus, readyOrder, serialIn } from '../../../test/support/acme-orders.ts'
import { identifiers, idIn } from '../../../test/support/acme-world.ts'
import { at } from '../../../test/support/order-facts.ts'
import { buildTestCsr, testExtension } from '../../../test/support/test-csr.ts'
import { generateTestKey } from '../../../test/support/test-keys.ts'
import { encodePem } from '../../lib/pem.ts'
import { parseCertificate } from '../../x509/certificate.ts'
import { OID } from '../../x509/oids.ts'
import { authorization } from './authorization.ts'
import { finalize } from './finalize.ts'
import { newOrder } from './new-order.ts'
import { order } from './order.ts'

test('CQ-F03 CQ-O01 finalize is 200 with Location and, with a fast signer, valid at once', async (t) => {
  const world = await openFor(t)
  const by = await world.account()
  const names = ['a.test', '*.a.test', '10.0.0.1']
  const { params, location } = await readyOrder(world, by, names)
  const { csr, key } = world.csr(names)
  const reply = await world.call(finalize, { by, params, payload: { csr } })
  assert.equal(reply.status, 200)
  assert.equal(reply.location, location)
  assert.equal(reply.json.status, 'valid')
  assert.equal(reply.retryAfterSeconds, undefined)
  const leaf = parseCertificate(await downloadLeaf(world, by, serialIn(reply.json.certificate)))
  assert.ok(leaf.publicKey.der.equals(key.spkiDer))
  assert.deepEqual(
    leaf.subjectAltNames.map((name) =>
      'value' in name ? name.value : 'bytes' in name ? name.bytes.join('.') : name.type,
    ),
    names,
  )
  assert.deepEqual(
    world.log.of('order.finalize').map(({ orderId, serial }) => [orderId, serial]),
    [[params.id, serialIn(reply.json.certificate)]],
  )
})

test('CQ-F05 CQ-O08 a CSR with only a CN, in upper case, gets a certificate with a lower-case SAN', async (t) => {
  const world = await openFor(t)
  const by = await world.account()
  const { params } = await readyOrder(world, by, ['WWW.A.test'])
  const { csr } = world.csr([], { withoutSan: true, commonName: 'WWW.A.TEST' })
  const { json } = await world.call(finalize, { by, params, payload: { csr } })
  const leaf = parseCertificate(await downloadLeaf(world, by, serialIn(json.certificate)))
  assert.deepEqual(leaf.subjectAltNames, [{ type: 'dns', value: 'www.a.test' }])
})

test('CQ-F07 KF-C08 nothing that a CSR asks for beside its key comes into the certificate', async (t) => {
  const world = await openFor(t)
  const by = await world.account()
  const { params } = await readyOrder(world, by)
  const extensions = [
    testExtension('0603551d25', Buffer.from('300a06082b06010505070302', 'hex')), // clientAuth
    testExtension('0603551d0f', Buffer.from('030205a0', 'hex'), true), // keyUsage
    testExtension('06082b06010505070118', Buffer.from('3003020105', 'hex')), // must-staple
    testExtension('06092b0601040182371402', Buffer.from('1e06005700650062', 'hex')), // Microsoft template
    testExtension('0603551d20', Buffer.from('300830060604551d2000', 'hex')), // anyPolicy
  ]
  const { csr } = world.csr(['a.test'], { extensions, commonName: 'a.test' })
  const { json } = await world.call(finalize, { by, params, payload: { csr } })
  const leaf = parseCertificate(await downloadLeaf(world, by, serialIn(json.certificate)))
  assert.deepEqual(leaf.extendedKeyUsage, [OID.serverAuth])
  const oids = [...leaf.extensions.keys()]
  for (const oid of ['1.3.6.1.5.5.7.1.24', '1.3.6.1.4.1.311.20.2', '2.5.29.32'])
    assert.equal(oids.includes(oid), false, oid)
  assert.equal(leaf.subjectDer.toString('hex'), '3000')
})

test('CQ-F07 a CSR that asks to be a CA is refused, and the order stays ready', async (t) => {
  const world = await openFor(t)
  const by = await world.account()
  const { params } = await readyOrder(world, by)
  const { csr } = world.csr(['a.test'], {
    extensions: [testExtension('0603551d13', Buffer.from('30030101ff', 'hex'), true)],
  })
  const error = await world.refused(finalize, { by, params, payload: { csr } })
  assert.equal(error.type, 'badCSR')
  assert.equal(await readStatus(world, by, params), 'ready')
})

test('KF-C05 the profile is that of the moment of the order, whatever the directory says since', async (t) => {
  const world = await openFor(t, { profile: { lifetimeSeconds: 7200 } })
  const by = await world.account()
  const { params } = await readyOrder(world, by)
  const directory = {
    ...world.directory,
    profile: { ...world.directory.profile, lifetimeSeconds: 60, subject: 'commonName' as const },
  }
  const { json } = await world.call(finalize, { by, params, payload: { csr: world.csr(['a.test']).csr }, directory })
  const leaf = parseCertificate(await downloadLeaf(world, by, serialIn(json.certificate)))
  assert.equal((leaf.notAfter.getTime() - leaf.notBefore.getTime()) / 1000 + 1, 7200)
  assert.equal(leaf.subjectDer.toString('hex'), '3000')
})

test('asked times reach the certificate to the second', async (t) => {
  const world = await openFor(t)
  const by = await world.account()
  const { params } = await readyOrder(world, by, ['a.test'], {
    notBefore: at(60).toISOString(),
    notAfter: at(3600).toISOString(),
  })
  const { json } = await world.call(finalize, { by, params, payload: { csr: world.csr(['a.test']).csr } })
  const leaf = parseCertificate(await downloadLeaf(world, by, serialIn(json.certificate)))
  assert.deepEqual([leaf.notBefore, leaf.notAfter], [at(60), at(3600)])
})

test('the state of the order speaks before the CSR is looked at', async (t) => {
  const world = await openFor(t)
  const by = await world.account()
  const pending = await world.call(newOrder, { by, payload: identifiers('p.test', '*.p.test') })
  const given = await readyOrder(world, by, ['g.test'])
  await world.call(authorization, {
    by,
    params: { id: idIn(given.authorizationUrls[0]) },
    payload: { status: 'deactivated' },
  })
  const expired = await readyOrder(world, by, ['e.test'])
  const table: [string, { id: string }, RegExp][] = [
    ['pending', { id: idIn(pending.location) }, /pending; .*p\.test, \*\.p\.test/],
    ['given up', given.params, /invalid: .*g\.test was given up/],
    ['expired', expired.params, /invalid: .*expired/],
  ]
  for (const [what, params, pattern] of table) {
    if (what === 'expired') await world.clock.advance(86_400_000)
    for (const payload of [{ csr: 'not a csr' }, {}, ''] as const) {
      const error = await world.refused(finalize, { by, params, payload })
      assert.deepEqual([error.type, error.status], ['orderNotReady', 403], what)
      assert.match(error.message, pattern)
    }
  }
  assert.equal(world.signingKey.uses, 0)
})

test('KF-B13 CQ-J08 the key of any account is refused as badCSR; the order stays ready and takes another CSR', async (t) => {
  const world = await openFor(t)
  const [by, other] = [await world.account(), await world.account()]
  const { params } = await readyOrder(world, by)
  for (const { key } of [by, other]) {
    const error = await world.refused(finalize, { by, params, payload: { csr: world.csr(['a.test'], { key }).csr } })
    assert.equal(error.type, 'badCSR')
    assert.match(error.message, /account key/)
    assert.equal(await readStatus(world, by, params), 'ready')
  }
  assert.equal(
    (await world.call(finalize, { by, params, payload: { csr: world.csr(['a.test']).csr } })).json.status,
    'valid',
  )
})

test('KF-C13 a key that was reported as compromised is not certified again', async (t) => {
  const world = await openFor(t)
  const by = await world.account()
  const { params } = await readyOrder(world, by)
  const { csr, key } = world.csr(['a.test'])
  const now = world.clock.now()
  const spkiSha256 = createHash('sha256').update(key.spkiDer).digest('hex')
  await world.store.blockedKeys.block(spkiSha256, { now, reason: 'test', audit: { at: now, event: 'test', data: {} } })
  const error = await world.refused(finalize, { by, params, payload: { csr } })
  assert.equal(error.type, 'badCSR')
  assert.match(error.message, /was reported as compromised; make a new key/)
  assert.equal(world.signingKey.uses, 0)
})

test('keys that the directory does not take are refused with the reason', async (t) => {
  const world = await openFor(t)
  const by = await world.account()
  const { params } = await readyOrder(world, by)
  const small = world.csr(['a.test'], { key: generateTestKey('RS256', { rsaBits: 1024 }) }).csr
  const error = await world.refused(finalize, { by, params, payload: { csr: small } })
  assert.equal(error.type, 'badCSR')
  assert.match(error.message, /1024/)
  const directory = { ...world.directory, keyRules: { ...world.directory.keyRules, algorithms: ['P-384' as const] } }
  const kind = await world.refused(finalize, { by, params, payload: { csr: world.csr(['a.test']).csr }, directory })
  assert.match(kind.message, /P-256.*P-384/)
})

test('KF-C15 KF-C16 a CSR is read strictly, and every refusal helps, has a reference and leaves the order ready', async (t) => {
  const world = await openFor(t)
  const by = await world.account()
  const { params } = await readyOrder(world, by)
  const key = generateTestKey('ES256')
  const der = buildTestCsr(['a.test'], key)
  const flipped = Buffer.from(der)
  flipped[flipped.length - 1] = (flipped.at(-1) ?? 0) ^ 1
  const table: [unknown, string, RegExp][] = [
    [undefined, 'malformed', /"csr"/],
    [7, 'malformed', /"csr"/],
    [encodePem('CERTIFICATE REQUEST', der), 'malformed', /PEM/],
    [der.toString('base64'), 'malformed', /base64url/],
    [Buffer.concat([der, Buffer.from([0])]).toString('base64url'), 'badCSR', /DER/],
    [der.subarray(0, -1).toString('base64url'), 'badCSR', /DER/],
    [flipped.toString('base64url'), 'badCSR', /signature/],
    [
      buildTestCsr(['a.test'], key, { signWith: generateTestKey('ES256') }).toString('base64url'),
      'badCSR',
      /signature/,
    ],
    [Buffer.alloc(70_000, 0x30).toString('base64url'), 'badCSR', /DER/],
    [buildTestCsr(['a.test', 'b.test'], key).toString('base64url'), 'badCSR', /"b\.test"/],
    [
      buildTestCsr([], key, { commonName: 'b.test', withoutSan: true }).toString('base64url'),
      'badCSR',
      /does not name a\.test/,
    ],
  ]
  for (const [csr, type, pattern] of table) {
    const payload = csr === undefined ? {} : { csr: csr as string }
    const error = await world.refused(finalize, { by, params, payload })
    assert.equal(error.type, type)
    assert.match(error.message, pattern)
    assert.match(error.message, /\(reference req_[\w-]{22}\)$/)
  }
  assert.equal(await readStatus(world, by, params), 'ready')
  const events = await world.store.audit.findByReference(params.id, 100)
  assert.equal(events.filter(({ event }) => event === 'order.finalize.refused').length, table.length)
  const refused = world.log.of('order.finalize')
  assert.equal(refused.length, table.length)
  for (const line of refused) assert.deepEqual([line.orderId, line['outcome']], [params.id, 'refused'])
})

test('KF-B09 absent, foreign and ill-formed orders get the same 404, read or finalized', async (t) => {
  const world = await openFor(t)
  const [owner, stranger] = [await world.account(), await world.account()]
  const { params } = await readyOrder(world, owner)
  const answers = []
  for (const id of [
    params.id,
    'ord_0000000000000000000000',
    'azr_0000000000000000000000',
    '',
    '%00',
    'x'.repeat(9999),
  ]) {
    const read = await world.refused(order, { by: stranger, params: { id } })
    const finalized = await world.refused(finalize, {
      by: stranger,
      params: { id },
      payload: { csr: world.csr(['a.test']).csr },
    })
    answers.push(...[read, finalized].map((error) => `${error.status} ${error.type} ${error.message}`))
  }
  assert.equal(new Set(answers).size, 1)
  assert.match(answers[0] ?? '', /^404 /)
})

test('CQ-O14 a finished order stays readable and valid after everything about it has expired', async (t) => {
  const world = await openFor(t)
  const by = await world.account()
  const { params } = await readyOrder(world, by)
  const unfinished = await world.call(newOrder, { by, payload: identifiers('u.test') })
  await world.call(finalize, { by, params, payload: { csr: world.csr(['a.test']).csr } })
  await world.clock.advance(7 * 86_400_000)
  assert.equal(await readStatus(world, by, params), 'valid')
  assert.equal(await readStatus(world, by, { id: idIn(unfinished.location) }), 'invalid')
})

test('an order cannot be changed by posting to it', async (t) => {
  const world = await openFor(t)
  const by = await world.account()
  const { params } = await readyOrder(world, by)
  for (const payload of [{}, { status: 'canceled' }]) {
    assert.equal((await world.refused(order, { by, params, payload })).type, 'malformed')
  }
})

test('KF-E09 while our clock cannot be trusted a finalize is 503 with Retry-After, and works once it can', async (t) => {
  const world = await openFor(t)
  const by = await world.account()
  const { params } = await readyOrder(world, by)
  const { csr } = world.csr(['a.test'])
  // The proof is older than the step, and so still counts.
  await world.clock.advance(3 * 3_600_000)
  const now = world.clock.now()
  world.clock.setWall(new Date(now.getTime() - 3_600_000))
  const error = await world.refused(finalize, { by, params, payload: { csr } })
  assert.equal(error.type, 'serverInternal')
  assert.equal(error.status, 503)
  assert.equal(error.options.retryAfterSeconds, 60)
  assert.match(error.message, /order is still ready/)
  world.clock.setWall(now)
  assert.equal((await world.call(finalize, { by, params, payload: { csr } })).json.status, 'valid')
})
