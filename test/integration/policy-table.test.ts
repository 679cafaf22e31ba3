import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { ipAddressBytes } from '../../src/lib/ip-address.ts'
import type { ExternalKeyFacts, Policy, PolicyRequest, RequestedName } from '../../src/policy/decision.ts'
import { readPolicy } from '../../src/policy/language/read-policy.ts'
import { type Journey, type Placed, type RecordingClient, startJourney } from '../support/acme-journey.ts'
import { der, toIdentifier } from '../support/test-csr.ts'
import { type NameType, ROWS, type Row, TABLE_RULES } from './policy-table.ts'

const GOOD = 'ok.table.test'
const SET = ['policy.file=rules.yaml', 'directories.desk.challenges=["http-01"]', 'profiles.short.lifetime=1h']

const KEYS: Readonly<Record<NonNullable<Row['as']>, ExternalKeyFacts>> = {
  team: { id: 'eab_1', attributes: { team: 'red' }, groups: ['mesh'] },
  'red-without-group': { id: 'eab_2', attributes: { team: 'red' }, groups: ['other'] },
  robot: { id: 'eab_3', attributes: { team: 'red' }, groups: ['mesh', 'robots'] },
}

let home: string
let journey: Journey
let client: RecordingClient
let ready: Placed
let policy: Policy
before(async () => {
  home = await mkdtemp(join(tmpdir(), 'chancery-table-'))
  await writeFile(join(home, 'rules.yaml'), TABLE_RULES)
  journey = await startJourney({ home, set: SET })
  client = await journey.registered()
  ready = await journey.ready(client, [GOOD])
  const facts = { lifetimeSeconds: 86_400, maxLifetimeSeconds: 86_400, extendedKeyUsages: ['serverAuth'] }
  const profiles = new Map([
    ['server', facts],
    ['short', facts],
  ])
  policy = (await readPolicy(TABLE_RULES, { profiles, now: new Date() })).policy
})
after(async () => {
  await journey?.close()
  await rm(home, { recursive: true, force: true })
})

const TAGS: Readonly<Record<NameType, number>> = { dns: 0x82, ip: 0x87, uri: 0x86, email: 0x81, other: 0 }

/** A GeneralName of any type, written by hand. */
function generalName({ type, value }: Row): Buffer {
  if (type === 'other') {
    const [, tag, hex] = /^\[(\d+)\] ([0-9a-f]+)$/.exec(value) ?? []
    return der(Number(tag), Buffer.from(hex ?? '', 'hex'))
  }
  return der(TAGS[type], type === 'ip' ? (ipAddressBytes(value) ?? Buffer.alloc(0)) : Buffer.from(value))
}

/** As the bytes of a certificate are asked about, with everything right but the name. */
function asked(names: readonly RequestedName[], as: Row['as']): PolicyRequest {
  const at = new Date()
  return {
    requester: {
      kind: 'account',
      directory: 'default',
      accountId: 'acc_1',
      ...(as !== undefined && { externalKey: KEYS[as] }),
    },
    stage: 'issuance',
    profile: 'server',
    names,
    key: { algorithm: 'P-256', bits: 256, spkiSha256: '00'.repeat(32) },
    lifetimeSeconds: 86_400,
    extendedKeyUsages: ['serverAuth'],
    subject: [],
    certificatePolicies: [],
    mustStaple: false,
    proofs: names.map((name) => ({ name, method: name.type === 'dns' ? 'dns-01' : 'account-binding', at })),
    at,
  }
}

/** @returns whether it got through */
async function send(row: Row): Promise<boolean> {
  const { way, type, value, as } = row
  switch (way) {
    case 'order': {
      const reply = await client.newOrder([{ type, value }])
      if (reply.status === 201) return true
      assert.ok(reply.status >= 400 && reply.status < 500, reply.text)
      assert.match(reply.json.type, /:(rejectedIdentifier|unsupportedIdentifier|malformed)$/)
      return false
    }
    case 'csr':
    case 'cn': {
      const options =
        way === 'cn'
          ? { commonName: value }
          : { generalNames: [der(0x82, Buffer.from(toIdentifier(GOOD).value)), generalName(row)] }
      const reply = await client.post(ready.finalize, { csr: client.csr([GOOD], options).base64url })
      if (reply.status === 200) return true
      assert.equal(reply.json.type, 'urn:ietf:params:acme:error:badCSR', reply.text)
      return false
    }
    case 'attribute': {
      const decision = await policy.decide(asked([{ type, value }], as))
      return decision.outcome === 'allow'
    }
    case 'profile': {
      const good: RequestedName = { type: 'dns', value: GOOD }
      const decision = await policy.decide(asked([good, { type, value }], as))
      if (decision.outcome === 'allow') return true
      // The name that is good is not what it was refused for.
      assert.deepEqual(
        decision.reasons.map(({ name }) => name?.value),
        [value],
      )
      return false
    }
    default:
      return way satisfies never
  }
}

test('KF-C09 KF-C10 of more than 200 requests each gets what the table says, and none out of policy gets through', async (t) => {
  assert.ok(ROWS.length >= 200, String(ROWS.length))
  const ways = new Map<string, number>()
  for (const row of ROWS) {
    const { way, type, value, as = 'anybody', expect } = row
    ways.set(`${way} ${type}`, (ways.get(`${way} ${type}`) ?? 0) + 1)
    await t.test(`${type} ${JSON.stringify(value)} by ${way} for ${as}: ${expect}`, async () => {
      assert.equal(await send(row), expect === 'allow')
    })
  }
  // Each type of name came in each way that it has.
  for (const way of ['order', 'csr', 'cn', 'attribute', 'profile'])
    for (const type of ['dns', 'ip', 'uri', 'email']) assert.ok(ways.has(`${way} ${type}`), `${way} ${type}`)
})

test('after all of it the good order is still there and good', async () => {
  const finalized = await client.post(ready.finalize, { csr: client.csr([GOOD]).base64url })
  assert.equal(finalized.status, 200, finalized.text)
})

test('what is right in one directory, with one key and profile, is wrong in another', async () => {
  const name: RequestedName = { type: 'dns', value: 'x.desk.test' }
  const base = asked([name], undefined)
  const desk: PolicyRequest = {
    ...base,
    requester: { kind: 'account', directory: 'desk', accountId: 'acc_1' },
    profile: 'short',
    key: { algorithm: 'P-384', bits: 384, spkiSha256: '00'.repeat(32) },
  }
  const wrong: readonly Partial<PolicyRequest>[] = [
    { requester: { kind: 'account', directory: 'default', accountId: 'acc_1' } },
    { requester: { kind: 'server' } },
    { profile: 'server' },
    { profile: 'none' },
    { key: { algorithm: 'P-256', bits: 256, spkiSha256: '' } },
    { key: { algorithm: 'RSA', bits: 384, spkiSha256: '' } },
    { proofs: [] },
    { proofs: [{ name: { type: 'dns', value: 'y.desk.test' }, method: 'dns-01', at: base.at }] },
    { extendedKeyUsages: ['clientAuth'] },
    { lifetimeSeconds: 86_401 },
    { at: new Date(Number.NaN) },
    { names: [] },
    { names: [name, { type: 'dns', value: 'x.table.test2' }] },
  ]
  assert.equal((await policy.decide(desk)).outcome, 'allow')
  for (const change of wrong)
    assert.equal((await policy.decide({ ...desk, ...change })).outcome, 'deny', JSON.stringify(change))
})
