import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { parseCertificate } from '../../src/x509/certificate.ts'
import { OID } from '../../src/x509/oids.ts'
import { assertRefused, type Journey, startJourney } from '../support/acme-journey.ts'

const SET = [
  'profiles.server.lifetime=1d',
  'profiles.short.lifetime=1h',
  'profiles.short.backdate=1m',
  'profiles.short.description=one hour',
  'profiles.mutual.extendedKeyUsages=["serverAuth","clientAuth"]',
  'profiles.hidden.lifetime=9h',
  'directories.default.profiles=["short","mutual"]',
]

let journey: Journey
before(async () => {
  journey = await startJourney({ set: SET })
})
after(() => journey?.close())

const secondsOf = ({ notBefore, notAfter }: { notBefore: Date; notAfter: Date }): number =>
  (notAfter.getTime() - notBefore.getTime()) / 1000 + 1

test('a directory shows the profiles it offers, the default one first, each with its description or name', async () => {
  const client = journey.client()
  const { json } = await client.get(client.directoryUrl)
  assert.deepEqual(Object.entries(json.meta.profiles), [
    ['server', 'server'],
    ['short', 'one hour'],
    ['mutual', 'mutual'],
  ])
})

test('an order gets the profile it asks for and says so in every state; without one it gets the default', async () => {
  const client = await journey.registered()
  for (const [asked, profile, seconds, usages] of [
    [undefined, 'server', 86_400, [OID.serverAuth]],
    ['short', 'short', 3_600, [OID.serverAuth]],
    ['mutual', 'mutual', 86_400, [OID.serverAuth, OID.clientAuth]],
  ] as const) {
    const extra = asked === undefined ? {} : { profile: asked }
    const { placed, finalized, leaf } = await journey.issue(client, [`${profile}.shapes.test`], { extra })
    for (const json of [placed.reply.json, finalized.json, (await client.postAsGet(placed.url)).json])
      assert.equal(json.profile, profile)
    const certificate = parseCertificate(leaf.raw)
    assert.equal(secondsOf(certificate), seconds)
    assert.deepEqual(certificate.extendedKeyUsage, usages)
  }
})

test('CQ-O17 a profile that is not offered is invalidProfile with those that are, even when it exists', async () => {
  const client = await journey.registered()
  for (const profile of ['hidden', 'SHORT', '', 'constructor', '__proto__']) {
    const detail = assertRefused(await client.newOrder(['a.shapes.test'], { profile }), 400, 'invalidProfile')
    assert.match(detail, /server, short, mutual/)
    assert.doesNotMatch(detail, /one of:.*hidden/)
  }
  assertRefused(await client.newOrder(['a.shapes.test'], { profile: ['short'] }), 400, 'malformed')
})

test('times beyond the profile asked for are refused, although another profile would allow them', async () => {
  const client = await journey.registered()
  const notAfter = new Date(Date.now() + 7_200_000).toISOString()
  const detail = assertRefused(
    await client.newOrder(['late.shapes.test'], { profile: 'short', notAfter }),
    400,
    'malformed',
  )
  assert.match(detail, /profile short allows at most 3600/)
})

test('KF-A07 a proof under one profile is none under another', async () => {
  const client = await journey.registered()
  await journey.issue(client, ['proved.shapes.test'])
  const again = await journey.place(client, ['proved.shapes.test'])
  assert.equal(again.reply.json.status, 'ready')
  const other = await journey.place(client, ['proved.shapes.test'], { profile: 'short' })
  assert.equal(other.reply.json.status, 'pending')
})

test('KF-C05 an order keeps its profile through a restart that changed it or took it away', async (t) => {
  const home = await mkdtemp(join(tmpdir(), 'chancery-profiles-'))
  t.after(() => rm(home, { recursive: true, force: true }))
  const first = await startJourney({ home, set: SET })
  let key: Awaited<ReturnType<Journey['registered']>>['key']
  const paths: string[] = []
  try {
    const client = await first.registered()
    key = client.key
    for (const profile of ['short', 'mutual']) {
      const placed = await first.ready(client, [`${profile}.kept.test`], { profile })
      paths.push(new URL(placed.finalize).pathname)
    }
  } finally {
    await first.close()
  }
  // One is gone, the other has become shorter and for clients alone.
  const second = await startJourney({
    home,
    set: ['profiles.mutual.lifetime=1h', 'profiles.mutual.extendedKeyUsages=clientAuth'],
  })
  try {
    const client = second.client({ key })
    await client.newAccount({ onlyReturnExisting: true })
    const lives: number[] = []
    for (const [index, profile] of ['short', 'mutual'].entries()) {
      const finalize = new URL(client.directoryUrl).origin + paths[index]
      const done = await client.post(finalize, { csr: client.csr([`${profile}.kept.test`]).base64url })
      assert.equal(done.json.status, 'valid', done.text)
      const pem = (await client.postAsGet(done.json.certificate)).text
      const leaf = parseCertificate(Buffer.from(pem.split('-----')[2]!, 'base64'))
      assert.ok(leaf.extendedKeyUsage?.includes(OID.serverAuth))
      lives.push(secondsOf(leaf))
    }
    assert.deepEqual(lives, [3_600, 86_400])
  } finally {
    await second.close()
  }
})
