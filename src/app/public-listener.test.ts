import assert from 'node:assert/strict'
import type { IncomingMessage } from 'node:http'
import { test } from 'node:test'
import { FakeClock } from '../../test/support/fake-clock.ts'
import type { CrlRecord } from '../store/records.ts'
import { publicRoutes } from './public-listener.ts'

const ISSUER = 'ab'.repeat(20)

function world(crl: Partial<CrlRecord> | undefined = {}) {
  const clock = new FakeClock('2026-03-01T12:00:00Z')
  const at = (seconds: number): Date => new Date(Date.parse('2026-03-01T12:00:00Z') + seconds * 1000)
  let record: CrlRecord | undefined = {
    issuerId: ISSUER,
    number: 1n,
    thisUpdate: at(0),
    nextUpdate: at(3600),
    crlDer: Buffer.from('crl one'),
    ...crl,
  }
  let reads = 0
  const routes = publicRoutes({
    clock,
    rootPem: 'pem',
    rootDer: Buffer.from('der'),
    issuerDer: new Map([[ISSUER, Buffer.from('ca')]]),
    latestCrl: async () => {
      reads++
      return record
    },
    crlMaxAgeSeconds: 30,
  })
  return {
    clock,
    at,
    reads: () => reads,
    publish: (next: CrlRecord | undefined) => {
      record = next
    },
    crl: async (file = `${ISSUER}.crl`, headers: Record<string, string> = {}) =>
      routes.find(({ path }) => path === '/crl/:file')?.get({ file }, { headers } as unknown as IncomingMessage),
  }
}

test('KF-D11 a CRL may be kept for as long as a revocation may wait, and never past its nextUpdate', async () => {
  const { clock, crl } = world()
  assert.equal((await crl())?.headers?.['Cache-Control'], 'public, max-age=30')
  await clock.advance(3_590_000)
  assert.equal((await crl())?.headers?.['Cache-Control'], 'public, max-age=10')
  await clock.advance(20_000)
  assert.equal((await crl())?.headers?.['Cache-Control'], 'no-cache')
})

test('KF-F22 many readers in one second cost one read of the store, and a new list is served a second later', async () => {
  const { clock, at, crl, publish, reads } = world()
  await Promise.all(Array.from({ length: 100 }, () => crl()))
  assert.equal(reads(), 1)
  publish({ issuerId: ISSUER, number: 2n, thisUpdate: at(1), nextUpdate: at(3601), crlDer: Buffer.from('crl two') })
  await clock.advance(1_000)
  assert.equal(String((await crl())?.body), 'crl two')
})

test('a list that the client has is not sent again, by tag or by date', async () => {
  const { crl } = world()
  const first = await crl()
  const etag = first?.headers?.['ETag'] ?? ''
  assert.equal(first?.headers?.['Last-Modified'], 'Sun, 01 Mar 2026 12:00:00 GMT')
  assert.equal((await crl(undefined, { 'if-none-match': etag }))?.status, 304)
  assert.equal((await crl(undefined, { 'if-none-match': `"x", W/${etag}` }))?.status, 304)
  assert.equal(
    (await crl(undefined, { 'if-none-match': '"x"', 'if-modified-since': 'Sun, 01 Mar 2026 12:00:00 GMT' }))?.status,
    200,
  )
  assert.equal((await crl(undefined, { 'if-modified-since': 'Sun, 01 Mar 2026 12:00:00 GMT' }))?.status, 304)
  assert.equal((await crl(undefined, { 'if-modified-since': 'Sun, 01 Mar 2026 11:59:59 GMT' }))?.status, 200)
  assert.equal((await crl(undefined, { 'if-modified-since': 'nonsense' }))?.status, 200)
})

test('names of files that are no issuer of ours are nothing', async () => {
  const { crl, publish } = world()
  for (const file of [
    '',
    '.crl',
    ISSUER,
    `${ISSUER}.cer`,
    `${ISSUER}.crl.crl`,
    `${ISSUER.toUpperCase()}.crl`,
    `${'ff'.repeat(20)}.crl`,
    '__proto__.crl',
  ]) {
    assert.equal(await crl(file), undefined, file)
  }
  publish(undefined)
  assert.equal(await crl(), undefined)
})
