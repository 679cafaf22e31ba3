import assert from 'node:assert/strict'
import { test } from 'node:test'
import { issueCertificate, openFor } from '../../../test/support/acme-orders.ts'
import { identifiers, idIn } from '../../../test/support/acme-world.ts'
import { encodePem } from '../../lib/pem.ts'
import { parseCertificate } from '../../x509/certificate.ts'
import { verifySignature } from '../../x509/signature.ts'
import { AcmeError } from '../problem.ts'
import { certificate } from './certificate.ts'
import { finalize } from './finalize.ts'
import { newOrder } from './new-order.ts'
import { revokeCert } from './revoke-cert.ts'

test('CQ-C01 CQ-C02 the chain is strict PEM: leaf and issuing CA, LF, 64 columns, nothing before, between or after', async (t) => {
  const world = await openFor(t)
  const by = await world.account()
  const { serial } = await issueCertificate(world, by)
  const params = { serial }
  const reply = await world.call(certificate, { by, params })
  assert.equal(reply.status, 200)
  assert.equal(reply.contentType, 'application/pem-certificate-chain')
  const text = reply.bytes?.toString('latin1') ?? ''
  const block =
    '-----BEGIN CERTIFICATE-----\\n(?:[A-Za-z0-9+/]{64}\\n)*[A-Za-z0-9+/]{1,64}={0,2}\\n-----END CERTIFICATE-----\\n'
  assert.match(text, new RegExp(`^(?:${block}){2}$`))
  const [record] = await world.store.certificates.findBySerial(params.serial)
  assert.equal(text, encodePem('CERTIFICATE', record?.certificateDer ?? Buffer.alloc(0)) + world.issuing.certificatePem)
  const leaf = parseCertificate(record?.certificateDer ?? Buffer.alloc(0))
  assert.ok(verifySignature(leaf, parseCertificate(world.issuing.certificateDer).publicKey))
})

test('CQ-C03 100 downloads are 100 times the same bytes, those of the store', async (t) => {
  const world = await openFor(t)
  const by = await world.account()
  const { serial } = await issueCertificate(world, by)
  const params = { serial }
  const texts = new Set<string>()
  for (let i = 0; i < 100; i++) texts.add((await world.call(certificate, { by, params })).bytes?.toString('hex') ?? '')
  assert.equal(texts.size, 1)
})

test('CQ-T03 a foreign Accept gets the chain; application/pkix-cert gets the leaf with a link to its issuer', async (t) => {
  const world = await openFor(t)
  const by = await world.account()
  const { serial } = await issueCertificate(world, by)
  const params = { serial }
  for (const accept of ['application/json', '*/*', 'text/html;q=0.9']) {
    assert.equal(
      (await world.call(certificate, { by, params, accept })).contentType,
      'application/pem-certificate-chain',
    )
  }
  const der = await world.call(certificate, { by, params, accept: 'application/pkix-cert' })
  assert.equal(der.contentType, 'application/pkix-cert')
  assert.equal(parseCertificate(der.bytes ?? Buffer.alloc(0)).serialHex, params.serial)
  assert.deepEqual(der.links, [{ url: 'http://ca.test/issuer.cer', rel: 'up' }])
})

test('alternate chains have numbers, begin with the same leaf, and each names all the others', async (t) => {
  const world = await openFor(t, {
    services: ({ chainsPem }) => ({
      chainsPem: (id) => {
        const chain = chainsPem(id)?.[0]
        return chain === undefined ? undefined : [chain, `${chain}${chain}`, `${chain}${chain}${chain}`]
      },
    }),
  })
  const by = await world.account()
  const { serial } = await issueCertificate(world, by)
  const base = `https://ca.test/acme/default/certificate/${serial}`
  const urls = [base, `${base}/1`, `${base}/2`]
  for (const [index, alternate] of [undefined, '1', '2'].entries()) {
    const reply = await world.call(certificate, { by, params: { serial, ...(alternate && { alternate }) } })
    assert.deepEqual(
      reply.links,
      urls.filter((_, other) => other !== index).map((url) => ({ url, rel: 'alternate' })),
    )
    assert.equal(reply.bytes?.toString().match(/BEGIN CERTIFICATE/g)?.length, 2 + index)
  }
  for (const alternate of ['0', '3', '01', '-1', '1e1', '', 'x', '99999999999999999999']) {
    assert.equal((await world.refused(certificate, { by, params: { serial, alternate } })).status, 404, alternate)
  }
})

test('KF-B09 absent, foreign and ill-formed certificates get the same 404', async (t) => {
  const world = await openFor(t)
  const [owner, stranger] = [await world.account(), await world.account()]
  const { serial } = await issueCertificate(world, owner)
  const answers = []
  for (const asked of [
    serial,
    '00'.repeat(16),
    serial.toUpperCase(),
    `${serial}0`,
    '',
    'zz',
    `0x${serial}`,
    '1'.repeat(10_000),
  ]) {
    const error = await world.refused(certificate, { by: stranger, params: { serial: asked } })
    answers.push(`${error.status} ${error.type} ${error.message}`)
  }
  assert.equal(new Set(answers).size, 1)
  assert.match(answers[0] ?? '', /^404 /)
})

test('a revoked certificate is still delivered', async (t) => {
  const world = await openFor(t)
  const by = await world.account()
  const { serial } = await issueCertificate(world, by)
  const params = { serial }
  const before = await world.call(certificate, { by, params, accept: 'application/pkix-cert' })
  const payload = { certificate: before.bytes?.toString('base64url') ?? '' }
  assert.equal((await world.call(revokeCert, { by, payload })).status, 200)
  const after = await world.call(certificate, { by, params, accept: 'application/pkix-cert' })
  assert.ok(before.bytes && after.bytes?.equals(before.bytes))
})

test('a serial whose certificate was never signed is not a certificate', async (t) => {
  const world = await openFor(t)
  const by = await world.account()
  const placed = await world.call(newOrder, { by, payload: identifiers('a.test') })
  await world.prove(by, idIn(placed.json.authorizations[0]))
  world.signingKey.close()
  const answer = world.call(finalize, {
    by,
    params: { id: idIn(placed.location) },
    payload: { csr: world.csr(['a.test']).csr },
  })
  while (world.signingKey.waiting === 0) await new Promise((resolve) => setImmediate(resolve))
  const [unfinished] = await world.store.certificates.listUnfinished(new Date(8.64e15), 10)
  assert.equal((await world.refused(certificate, { by, params: { serial: unfinished?.serial ?? '' } })).status, 404)
  world.signingKey.open()
  await answer
  assert.equal((await world.call(certificate, { by, params: { serial: unfinished?.serial ?? '' } })).status, 200)
})

test('KF-E12 one flipped bit in the stored certificate or in what was to be signed is noticed, and it is not served', async (t) => {
  const world = await openFor(t)
  const by = await world.account()
  const { serial, der } = await issueCertificate(world, by)
  const [record] = await world.store.certificates.findBySerial(serial)
  assert.ok(record)
  const flipped = (bytes: Buffer, place: number): Buffer => {
    const damaged = Buffer.from(bytes)
    damaged[place] = (damaged[place] ?? 0) ^ 1
    return damaged
  }
  const damages = [
    { certificateDer: flipped(der, 40) },
    { certificateDer: flipped(der, der.length - 1) },
    { tbsDer: flipped(record.tbsDer, 40) },
  ]
  for (const damage of damages) {
    const certificates = { ...world.store.certificates, findForAccount: async () => ({ ...record, ...damage }) }
    const services = { ...world.services, store: { ...world.store, certificates } }
    await assert.rejects(
      certificate(world.request({ by, params: { serial } }), services),
      (error) => !(error instanceof AcmeError),
    )
  }
})

test('a certificate whose issuing CA is gone is an error of ours, not a chain without issuer', async (t) => {
  const world = await openFor(t)
  const by = await world.account()
  const { serial } = await issueCertificate(world, by)
  const services = { ...world.services, chainsPem: () => undefined }
  await assert.rejects(certificate(world.request({ by, params: { serial } }), services), /There is no chain/)
})

test('the download is logged with the order that it came from', async (t) => {
  const world = await openFor(t)
  const by = await world.account()
  const { serial } = await issueCertificate(world, by)
  const params = { serial }
  await world.call(certificate, { by, params })
  const [line] = world.log.of('certificate.downloaded')
  assert.equal(line?.serial, params.serial)
  assert.equal(line?.orderId, world.log.of('order.created')[0]?.orderId)
})

test('a certificate cannot be changed by posting to it', async (t) => {
  const world = await openFor(t)
  const by = await world.account()
  const { serial } = await issueCertificate(world, by)
  const params = { serial }
  assert.equal((await world.refused(certificate, { by, params, payload: {} })).type, 'malformed')
})
