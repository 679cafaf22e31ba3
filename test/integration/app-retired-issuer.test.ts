import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { decodePem } from '../../src/lib/pem.ts'
import { parseCertificate } from '../../src/x509/certificate.ts'
import { parseCertList } from '../../src/x509/crl-reader.ts'
import { issueOrder, placeOrder, proveOrder } from '../support/acme-story.ts'
import { AcmeTestClient } from '../support/acme-test-client.ts'
import { runChancery, startTestChancery, type TestChancery } from '../support/chancery.ts'
import { type HttpTarget, startHttpTarget } from '../support/http-target.ts'

let home: string
let target: HttpTarget
before(async () => {
  home = await mkdtemp(join(tmpdir(), 'chancery-retired-'))
  target = await startHttpTarget({ address: '127.0.0.1' })
  await (await startTestChancery({ home })).stop()
  const made = await runChancery(['init', '--issuer', 'old', '--set', 'profiles.server.issuer=old'], { home })
  assert.equal(made.code, 0, made.stderr)
})
after(async () => {
  await target?.close()
  await rm(home, { recursive: true, force: true })
})

const start = (issuer: string): Promise<TestChancery> =>
  startTestChancery({ home, set: [`validation.http01.port=${target.port}`, `profiles.server.issuer=${issuer}`] })

const clientOf = (chancery: TestChancery, from?: AcmeTestClient): AcmeTestClient =>
  new AcmeTestClient({ directoryUrl: chancery.urls.directory, ca: chancery.rootPem, ...(from && { key: from.key }) })

/** The URL of the same resource after a restart on other ports. */
const moved = (url: string, chancery: TestChancery): string => chancery.urls.base + new URL(url).pathname

test('KF-D11 after a profile moved to another issuing CA, the old one still delivers, finishes its orders and tells of revocations', async () => {
  let chancery = await start('old')
  const first = clientOf(chancery)
  await first.newAccount()
  const issued = await issueOrder(first, 'issued.localhost', target)
  const waiting = await placeOrder(first, 'waiting.localhost')
  await proveOrder(first, waiting, target)
  await chancery.stop()
  first.close()

  chancery = await start('default')
  const client = clientOf(chancery, first)
  try {
    await client.newAccount({ onlyReturnExisting: true })
    const download = await client.postAsGet(moved(issued.certificateUrl, chancery))
    assert.equal(download.status, 200, download.text)
    const leaf = decodePem(download.text)[0]?.der ?? Buffer.alloc(0)

    const late = client.csr(['waiting.localhost'])
    const order = await client.post(moved(waiting.finalizeUrl, chancery), { csr: late.base64url })
    assert.equal(order.json.status, 'valid', order.text)
    const lateChain = await client.postAsGet(order.json.certificate)
    const { issuerDer } = parseCertificate(decodePem(lateChain.text)[0]?.der ?? Buffer.alloc(0))
    assert.ok(issuerDer.equals(parseCertificate(leaf).issuerDer), 'the profile as it was when the order was placed')

    const { revokeCert } = await client.directory()
    const revoked = await client.post(revokeCert!, { certificate: leaf.toString('base64url'), reason: 1 })
    assert.equal(revoked.status, 200, revoked.text)
    await chancery.running.crlPublisher.buildDue()
    const { serialHex, authorityKeyId } = parseCertificate(leaf)
    const crl = await fetch(`${chancery.urls.publicHttp}/crl/${authorityKeyId?.toString('hex')}.crl`)
    assert.equal(crl.status, 200)
    const listed = [...parseCertList(Buffer.from(await crl.arrayBuffer())).entries()].map(({ serial }) => serial)
    assert.deepEqual(listed, [serialHex])
  } finally {
    client.close()
    await chancery.stop()
  }
})

test('a retired issuing CA whose files are damaged stops no start; the log names it', async () => {
  const chain = join(home, 'issuers', 'old.pem')
  const good = await readFile(chain)
  await writeFile(chain, 'not a certificate')
  const chancery = await start('default')
  try {
    assert.deepEqual(
      chancery.log.of('issuer.retired_unusable').map(({ issuer }) => issuer),
      ['old'],
    )
    assert.deepEqual([...chancery.running.issuers.keys()], ['default'])
    const ready = await fetch(`${chancery.urls.admin}/readyz`)
    assert.equal(ready.status, 200)
  } finally {
    await chancery.stop()
    await writeFile(chain, good)
  }
})

test('KF-G07 where the storage key was lost, no command makes a new one beside secrets that need the old', async () => {
  await rm(join(home, 'keys', 'storage.key'))
  const made = await runChancery(['eab', 'create'], { home })
  assert.equal(made.code, 1)
  assert.match(made.stderr, /storage\.key is missing, and the database holds secrets .* restore it from a backup/)
  await assert.rejects(start('default'), /storage\.key is missing/)
})
