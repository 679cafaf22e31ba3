import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { signCaCertificate } from '../../src/ca/ca-certificate.ts'
import { createRoot } from '../../src/ca/root.ts'
import { decodePem, encodePem } from '../../src/lib/pem.ts'
import { systemRandom } from '../../src/lib/random.ts'
import { parseCertificate } from '../../src/x509/certificate.ts'
import { OID } from '../../src/x509/oids.ts'
import { assertRefused, headerLines, startJourney } from '../support/acme-journey.ts'
import { startTestChancery } from '../support/chancery.ts'

test('RFC 8555 §7.4.2 a cross-signed issuing CA in the state folder is offered as an alternate chain', async (t) => {
  const home = await mkdtemp(join(tmpdir(), 'chancery-alternate-'))
  t.after(() => rm(home, { recursive: true, force: true }))
  const first = await startTestChancery({ home })
  await first.stop()

  const now = new Date()
  const other = await createRoot({ name: 'The Other Root', keyKind: 'P-256', now, random: systemRandom })
  const issuing = parseCertificate(decodePem(await readFile(join(home, 'chain.pem'), 'utf8'))[0]!.der)
  const crossDer = await signCaCertificate(
    {
      subjectDer: issuing.subjectDer,
      spkiDer: issuing.publicKey.der,
      validity: { notBefore: issuing.notBefore, notAfter: issuing.notAfter },
      pathLen: 0,
      extendedKeyUsages: [OID.serverAuth, OID.clientAuth],
      random: systemRandom,
    },
    { key: other.key.signingKey, certificate: parseCertificate(other.certificateDer) },
  )
  await mkdir(join(home, 'issuers'), { recursive: true })
  // The other root stands in the file, as many tools write it; clients have it or do not want it.
  await writeFile(
    join(home, 'issuers', 'default.alternate-1.pem'),
    encodePem('CERTIFICATE', crossDer) + other.certificatePem,
  )

  const journey = await startJourney({ home })
  t.after(() => journey.close())
  const client = await journey.registered()
  const { certificateUrl, chain, leaf } = await journey.issue(client, ['two-chains.localhost'])
  const alternates = (reply: typeof chain) =>
    headerLines(reply, 'link').filter((link) => link.endsWith(';rel="alternate"'))
  assert.deepEqual(alternates(chain), [`<${certificateUrl}/1>;rel="alternate"`])
  const alternate = await client.postAsGet(`${certificateUrl}/1`)
  assert.equal(alternate.headers['content-type'], 'application/pem-certificate-chain')
  assert.deepEqual(alternates(alternate), [`<${certificateUrl}>;rel="alternate"`])

  const chainOf = (text: string) =>
    (text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----\n/g) ?? []).map(
      (pem) => new X509Certificate(pem),
    )
  const roots = [new X509Certificate(journey.chancery.rootPem), new X509Certificate(other.certificatePem)]
  for (const [index, text] of [chain.text, alternate.text].entries()) {
    const [end, ca, ...more] = chainOf(text)
    assert.equal(more.length, 0, 'no root in the file')
    assert.ok(end!.raw.equals(leaf.raw))
    assert.ok(end!.checkIssued(ca!) && end!.verify(ca!.publicKey))
    assert.deepEqual(
      roots.map((root) => ca!.checkIssued(root) && ca!.verify(root.publicKey)),
      [index === 0, index === 1],
    )
  }
  for (const number of ['2', '0', '01', '99', 'x'])
    assertRefused(await client.postAsGet(`${certificateUrl}/${number}`), 404, 'malformed')
  const stranger = await journey.registered()
  assertRefused(await stranger.postAsGet(`${certificateUrl}/1`), 404, 'malformed')
})
