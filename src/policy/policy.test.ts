import assert from 'node:assert/strict'
import { test } from 'node:test'
import { configSchema, DEFAULT_POLICY_ADDRESSES, DEFAULT_POLICY_NAMES, type PolicyConfig } from '../config/schema.ts'
import type { Decision, PolicyRequest, Reason, RequestedName } from './decision.ts'
import { createPolicy } from './policy.ts'

type PolicyInput = NonNullable<Parameters<typeof configSchema.parse>[0]>

/** A policy's configuration as an operator would write it, defaults filled in. */
function configured(policy: object): PolicyConfig {
  const config: PolicyInput = { policies: { default: policy } }
  return configSchema.parse(config).policies.default!
}

const PROFILES = new Map([
  ['server', { lifetimeSeconds: 86_400, maxLifetimeSeconds: 86_400, extendedKeyUsages: ['serverAuth'] }],
  ['both', { lifetimeSeconds: 3600, maxLifetimeSeconds: 3600, extendedKeyUsages: ['serverAuth', 'clientAuth'] }],
])

const NOON = new Date('2026-01-01T12:00:00Z')
const KEY = { algorithm: 'P-256', bits: 256, spkiSha256: '00' } as const
const ACCOUNT = { kind: 'account', directory: 'default', accountId: 'acc_1' } as const

function decide(policy: PolicyConfig, request: Partial<PolicyRequest>): Promise<Decision> {
  const whole: PolicyRequest = {
    requester: ACCOUNT,
    stage: 'order',
    profile: 'server',
    names: [],
    at: NOON,
    ...request,
  }
  return createPolicy({ config: policy, name: 'default', profiles: PROFILES }).decide(whole)
}

const dns = (value: string): RequestedName => ({ type: 'dns', value })
const ip = (value: string): RequestedName => ({ type: 'ip', value })
const uri = (value: string): RequestedName => ({ type: 'uri', value })
const email = (value: string): RequestedName => ({ type: 'email', value })

const STRICT = configured({
  allow: {
    dns: ['**.a.test', 'b.test', '*.c.test', 'web.test'],
    ip: ['10.0.0.0/8', '2001:db8::/32'],
    uri: ['spiffe://a.test/ns/*/sa/*', 'https://b.test/**'],
    email: ['*@a.test'],
  },
  deny: {
    dns: ['secret.a.test', '**.secret.a.test', 'x.y.a.test'],
    ip: ['10.6.6.0/24'],
    uri: ['spiffe://a.test/**/root'],
    email: ['root@a.test'],
  },
})

/** Each a name asked of the policy above, with the code of the reason expected. */
const NAMES: readonly (readonly [RequestedName, Reason['code']])[] = [
  [dns('www.a.test'), 'allowed'],
  [dns('w.w.w.a.test'), 'allowed'],
  [dns('b.test'), 'allowed'],
  [dns('x.c.test'), 'allowed'],
  [dns('web.test'), 'allowed'],
  [dns('xn--bcher-kva.a.test'), 'allowed'],
  [dns('a.test'), 'name-not-allowed'],
  [dns('evil-a.test'), 'name-not-allowed'],
  [dns('www.evil-a.test'), 'name-not-allowed'],
  [dns('a.test.evil'), 'name-not-allowed'],
  [dns('www.a.test.evil.example'), 'name-not-allowed'],
  [dns('test'), 'name-not-allowed'],
  [dns('www.b.test'), 'name-not-allowed'],
  [dns('bb.test'), 'name-not-allowed'],
  [dns('c.test'), 'name-not-allowed'],
  [dns('x.y.c.test'), 'name-not-allowed'],
  [dns('localhost'), 'name-not-allowed'],
  [dns('printer.local'), 'name-not-allowed'],
  // deny beats allow, for children too
  [dns('secret.a.test'), 'name-denied'],
  [dns('www.secret.a.test'), 'name-denied'],
  [dns('w.w.secret.a.test'), 'name-denied'],
  [dns('not-secret.a.test'), 'allowed'],
  [dns('secret.b.a.test'), 'allowed'],
  [dns('x.y.a.test'), 'name-denied'],
  [dns('y.a.test'), 'allowed'],
  // wildcards
  [dns('*.b.a.test'), 'allowed'],
  [dns('*.c.test'), 'allowed'],
  [dns('*.a.test'), 'name-denied'],
  [dns('*.secret.a.test'), 'name-denied'],
  [dns('*.y.a.test'), 'name-denied'],
  [dns('*.b.test'), 'name-not-allowed'],
  [dns('*.x.c.test'), 'name-not-allowed'],
  [dns('*.test'), 'name-not-allowed'],
  [dns('*.evil-a.test'), 'name-not-allowed'],
  // not in normal form, whoever let it through
  [dns('WWW.a.test'), 'name-not-allowed'],
  [dns('SECRET.a.test'), 'name-not-allowed'],
  [dns('www.a.test.'), 'name-not-allowed'],
  [dns('www..a.test'), 'name-not-allowed'],
  [dns('.a.test'), 'name-not-allowed'],
  [dns(''), 'name-not-allowed'],
  [dns('*'), 'name-not-allowed'],
  [dns('**.a.test'), 'name-not-allowed'],
  [dns('w*.a.test'), 'name-not-allowed'],
  [dns('w?.a.test'), 'name-not-allowed'],
  [dns('w,x.a.test'), 'name-not-allowed'],
  [dns('w/x.a.test'), 'name-not-allowed'],
  [dns('w\n.a.test'), 'name-not-allowed'],
  [dns('w\0.a.test'), 'name-not-allowed'],
  [dns('10.0.0.1'), 'name-not-allowed'],
  [dns('_x.a.test'), 'name-not-allowed'],
  [dns('ｗ.a.test'), 'name-not-allowed'],
  [dns('xn--zzzzzzzz9.a.test'), 'name-not-allowed'],
  // addresses
  [ip('10.0.0.1'), 'allowed'],
  [ip('10.255.255.255'), 'allowed'],
  [ip('2001:db8::1'), 'allowed'],
  [ip('10.6.6.1'), 'name-denied'],
  [ip('10.6.7.1'), 'allowed'],
  [ip('11.0.0.1'), 'name-not-allowed'],
  [ip('127.0.0.1'), 'name-not-allowed'],
  [ip('2001:db9::1'), 'name-not-allowed'],
  [ip('::ffff:10.0.0.1'), 'name-not-allowed'],
  [ip('::ffff:a00:1'), 'name-not-allowed'],
  [ip('64:ff9b::a00:1'), 'name-not-allowed'],
  [ip('010.0.0.1'), 'name-not-allowed'],
  [ip('10.0.1'), 'name-not-allowed'],
  [ip('2001:DB8::1'), 'name-not-allowed'],
  [ip('*.10.0.0.1'), 'name-not-allowed'],
  [ip('10.0.0.0/8'), 'name-not-allowed'],
  [ip('www.a.test'), 'name-not-allowed'],
  [ip(''), 'name-not-allowed'],
  // URIs and mail addresses, by whole segments and labels
  [uri('spiffe://a.test/ns/shop/sa/web'), 'allowed'],
  [uri('spiffe://a.test/ns/Shop.1/sa/web_a'), 'allowed'],
  [uri('https://b.test/x/y/z'), 'allowed'],
  [uri('spiffe://a.test/ns/shop/sa/root'), 'name-denied'],
  [uri('spiffe://a.test/ns/shop/sa'), 'name-not-allowed'],
  [uri('spiffe://a.test/ns/shop/sa/web/x'), 'name-not-allowed'],
  [uri('spiffe://a.test/ns/shop/sa/'), 'name-not-allowed'],
  [uri('spiffe://a.test/ns//sa/web'), 'name-not-allowed'],
  [uri('spiffe://a.test/ns/../ns/shop/sa/web'), 'name-not-allowed'],
  [uri('spiffe://a.test/ns/*/sa/web'), 'name-not-allowed'],
  [uri('spiffe://A.test/ns/shop/sa/web'), 'name-not-allowed'],
  [uri('SPIFFE://a.test/ns/shop/sa/web'), 'name-not-allowed'],
  [uri('spiffe://a.test.evil/ns/shop/sa/web'), 'name-not-allowed'],
  [uri('spiffe://a.test:1/ns/shop/sa/web'), 'name-not-allowed'],
  [uri('spiffe://a.test/ns/shop/sa/web?x'), 'name-not-allowed'],
  [uri('spiffe://a.test/ns/shop/sa/web#x'), 'name-not-allowed'],
  [uri('spiffe://a.test/ns/shop%2fsa/sa/web'), 'name-not-allowed'],
  [uri('https://b.test/'), 'name-not-allowed'],
  [uri('https://www.a.test/'), 'name-not-allowed'],
  [uri('urn:a.test'), 'name-not-allowed'],
  [uri('www.a.test'), 'name-not-allowed'],
  [uri(''), 'name-not-allowed'],
  [email('ann@a.test'), 'allowed'],
  [email('Ann.Lee+x@a.test'), 'allowed'],
  [email('root@a.test'), 'name-denied'],
  [email('ann@www.a.test'), 'name-not-allowed'],
  [email('ann@A.test'), 'name-not-allowed'],
  [email('*@a.test'), 'name-not-allowed'],
  [email('a@b@a.test'), 'name-not-allowed'],
  [email('@a.test'), 'name-not-allowed'],
  [email('a.test'), 'name-not-allowed'],
  // every other kind of name
  [{ type: 'other', value: 'www.a.test' }, 'name-type'],
  [{ type: 'DNS', value: 'www.a.test' } as unknown as RequestedName, 'name-type'],
  [{ type: '__proto__', value: 'www.a.test' } as unknown as RequestedName, 'name-type'],
]

test('KF-C09 KF-C10 KF-C11 CQ-O10 a table of names, each asked at both stages', async () => {
  assert.ok(NAMES.length >= 60)
  const issuance = { stage: 'issuance', key: KEY, lifetimeSeconds: 86_400, extendedKeyUsages: ['serverAuth'] } as const
  for (const [name, code] of NAMES) {
    for (const stage of [{ stage: 'order' } as const, issuance]) {
      const decision = await decide(STRICT, { ...stage, names: [name] })
      const about = `${name.type} ${JSON.stringify(name.value)} at ${stage.stage}`
      assert.equal(decision.outcome, code === 'allowed' ? 'allow' : 'deny', about)
      assert.deepEqual(
        decision.reasons.map((reason) => [reason.code, reason.name]),
        [[code, name]],
        about,
      )
    }
  }
})

test('CQ-O10 all bad names are reported at once, each with its rule and what to do; good ones are not', async () => {
  const names = [dns('www.a.test'), dns('example.com'), dns('secret.a.test'), ip('11.0.0.1'), dns('*.b.test')]
  const decision = await decide(STRICT, { names })
  assert.equal(decision.outcome, 'deny')
  assert.deepEqual(
    decision.reasons.map((reason) => [reason.name?.value, reason.rule]),
    [
      ['example.com', 'policies.default.allow.dns'],
      ['secret.a.test', 'policies.default.deny.dns secret.a.test'],
      ['11.0.0.1', 'policies.default.allow.ip'],
      ['*.b.test', 'policies.default.allow.dns'],
    ],
  )
  for (const reason of decision.reasons) assert.match(reason.detail, /ask for another/)
})

test('an allowed request says for each name which rule allowed it', async () => {
  const decision = await decide(STRICT, { names: [dns('www.a.test'), ip('10.0.0.1')] })
  assert.deepEqual(
    decision.reasons.map((reason) => reason.rule),
    ['policies.default.allow.dns **.a.test', 'policies.default.allow.ip 10.0.0.0/8'],
  )
})

test('wildcards have a switch of their own, which allows nothing by itself', async () => {
  const off = configured({ allow: { dns: ['**.a.test'], wildcards: false } })
  const on = configured({ allow: { dns: ['b.test'] } })
  const refused = await decide(off, { names: [dns('*.x.a.test')] })
  assert.deepEqual([refused.outcome, refused.reasons[0]?.rule], ['deny', 'policies.default.allow.wildcards'])
  assert.equal((await decide(off, { names: [dns('x.a.test')] })).outcome, 'allow')
  assert.equal((await decide(on, { names: [dns('*.b.test')] })).outcome, 'deny')
})

test('KF-C11 a wildcard is denied when only a rule in its middle could be met', async () => {
  const policy = configured({ allow: { dns: ['**.a.test'] }, deny: { dns: ['www.**', '**.admin.a.test'] } })
  assert.equal((await decide(policy, { names: [dns('*.x.a.test')] })).outcome, 'deny')
  assert.equal((await decide(policy, { names: [dns('www.a.test')] })).outcome, 'deny')
  assert.equal((await decide(policy, { names: [dns('*.admin.a.test')] })).outcome, 'deny')
  assert.equal((await decide(policy, { names: [dns('x.www.a.test')] })).outcome, 'allow')
})

test('KF-G05 an empty policy allows nothing', async () => {
  const empty = configured({})
  for (const name of [
    dns('a.test'),
    dns('localhost'),
    dns('*.a.test'),
    ip('127.0.0.1'),
    ip('::1'),
    dns('a.internal'),
  ]) {
    assert.equal((await decide(empty, { names: [name] })).outcome, 'deny', name.value)
  }
})

test('KF-G05 the policy of a first start covers names and addresses that no public CA can certify, and nothing else', async () => {
  const first = configSchema.parse({}).policies.default!
  assert.deepEqual(first.allow.dns, [...DEFAULT_POLICY_NAMES])
  assert.deepEqual(first.allow.ip, [...DEFAULT_POLICY_ADDRESSES])
  const good = ['a.internal', 'a.b.test', 'x.localhost', 'nas.home.arpa', '*.a.test', '*.test']
  const bad = [
    'a.example.com',
    'internal',
    'test',
    'localhost',
    'home.arpa',
    'a.local',
    'a.arpa',
    'evil-test',
    'a.test.com',
  ]
  for (const name of good) assert.equal((await decide(first, { names: [dns(name)] })).outcome, 'allow', name)
  for (const name of bad) assert.equal((await decide(first, { names: [dns(name)] })).outcome, 'deny', name)
  for (const name of ['10.1.2.3', '172.31.0.1', '192.168.1.1', '127.0.0.1', 'fd00::1', '::1']) {
    assert.equal((await decide(first, { names: [ip(name)] })).outcome, 'allow', name)
  }
  for (const name of [
    '1.1.1.1',
    '172.32.0.1',
    '169.254.169.254',
    '100.64.0.1',
    '0.0.0.0',
    '::',
    'fe80::1',
    '2001:db8::1',
  ]) {
    assert.equal((await decide(first, { names: [ip(name)] })).outcome, 'deny', name)
  }
})

test('a request without names is denied', async () => {
  const decision = await decide(STRICT, { names: [] })
  assert.deepEqual([decision.outcome, decision.reasons[0]?.rule], ['deny', 'some-name'])
})

test('a name is judged once for each time it is asked, and order is kept', async () => {
  const many = Array.from({ length: 101 }, (_, i) => dns(i % 2 === 0 ? `n${i}.a.test` : `n${i}.example`))
  const decision = await decide(STRICT, { names: many })
  assert.deepEqual(
    decision.reasons.map((reason) => reason.name?.value),
    many.map((name) => name.value).filter((value) => value.endsWith('.example')),
  )
})

const NAME = { names: [dns('www.a.test')] }
const codes = ({ outcome, reasons }: Decision): string =>
  outcome === 'allow' ? 'allow' : reasons.map((r) => r.code).join()

test('a profile must exist, and be one that the policy allows', async () => {
  assert.equal(codes(await decide(STRICT, { ...NAME, profile: 'both' })), 'allow')
  assert.equal(codes(await decide(STRICT, { ...NAME, profile: 'no-such' })), 'profile')
  assert.equal(codes(await decide(STRICT, { ...NAME, profile: 'constructor' })), 'profile')
  const narrow = configured({ allow: { dns: ['**.a.test'] }, profiles: ['server'] })
  const decision = await decide(narrow, { ...NAME, profile: 'both' })
  assert.equal(codes(decision), 'profile')
  assert.match(decision.reasons[0]!.detail, /ask for "server"/)
  const none = configured({ allow: { dns: ['**.a.test'] }, profiles: [] })
  assert.equal(codes(await decide(none, NAME)), 'profile')
})

test('KF-C05 a profile that an order keeps is judged as it was, unless the policy takes it away', async () => {
  const profileFacts = { lifetimeSeconds: 7200, maxLifetimeSeconds: 7200, extendedKeyUsages: ['clientAuth'] }
  const kept = { ...NAME, stage: 'issuance', key: KEY, profileFacts, extendedKeyUsages: ['clientAuth'] } as const
  for (const profile of ['gone', 'both']) {
    assert.equal(codes(await decide(STRICT, { ...kept, profile, lifetimeSeconds: 7200 })), 'allow')
    assert.equal(codes(await decide(STRICT, { ...kept, profile, lifetimeSeconds: 7201 })), 'lifetime')
    const narrow = configured({ allow: { dns: ['**.a.test'] }, profiles: ['server'] })
    assert.equal(codes(await decide(narrow, { ...kept, profile, lifetimeSeconds: 7200 })), 'profile')
  }
})

test('a lifetime is whole seconds within the maximum of the profile', async () => {
  for (const seconds of [1, 86_399, 86_400]) {
    assert.equal(codes(await decide(STRICT, { ...NAME, lifetimeSeconds: seconds })), 'allow', String(seconds))
  }
  for (const seconds of [0, -1, 86_401, 0.5, Number.NaN, Number.POSITIVE_INFINITY]) {
    assert.equal(codes(await decide(STRICT, { ...NAME, lifetimeSeconds: seconds })), 'lifetime', String(seconds))
  }
  assert.equal(codes(await decide(STRICT, { ...NAME, profile: 'both', lifetimeSeconds: 3601 })), 'lifetime')
})

test('KF-C08 extended key usages are some of the profile, never none, never any other', async () => {
  const table: readonly (readonly [string, readonly string[], string])[] = [
    ['server', ['serverAuth'], 'allow'],
    ['server', ['1.3.6.1.5.5.7.3.1'], 'allow'],
    ['server', ['clientAuth'], 'usage'],
    ['server', ['serverAuth', 'clientAuth'], 'usage'],
    ['server', [], 'usage'],
    ['server', ['anyExtendedKeyUsage'], 'usage'],
    ['server', ['2.5.29.37.0'], 'usage'],
    ['server', ['1.3.6.1.5.5.7.3.9'], 'usage'],
    ['both', ['clientAuth', 'serverAuth'], 'allow'],
    ['both', ['1.3.6.1.5.5.7.3.2'], 'allow'],
  ]
  for (const [profile, extendedKeyUsages, expected] of table) {
    assert.equal(
      codes(await decide(STRICT, { ...NAME, profile, extendedKeyUsages })),
      expected,
      extendedKeyUsages.join(),
    )
  }
})

test('KF-B23 a key has an allowed algorithm and size', async () => {
  const keys = (algorithm: 'P-256' | 'P-384' | 'P-521' | 'RSA' | 'Ed25519', bits: number): Partial<PolicyRequest> => ({
    ...NAME,
    key: { algorithm, bits, spkiSha256: '00' },
  })
  for (const algorithm of ['P-256', 'P-384', 'P-521', 'Ed25519'] as const) {
    assert.equal(codes(await decide(STRICT, keys(algorithm, 256))), 'allow', algorithm)
  }
  for (const bits of [2048, 3072, 4096]) assert.equal(codes(await decide(STRICT, keys('RSA', bits))), 'allow')
  for (const bits of [0, 1024, 2047, 2052, 4104, 16_384, Number.NaN]) {
    assert.equal(codes(await decide(STRICT, keys('RSA', bits))), 'key', String(bits))
  }
  const ecOnly = configured({ allow: { dns: ['**.a.test'] }, keys: { algorithms: ['P-256'] } })
  assert.equal(codes(await decide(ecOnly, keys('P-256', 256))), 'allow')
  assert.equal(codes(await decide(ecOnly, keys('RSA', 2048))), 'key')
  assert.equal(codes(await decide(configured({ ...ecOnly, keys: { algorithms: [] } }), keys('P-256', 256))), 'key')
})

test('at issuance nothing may be left unsaid: key, lifetime and usages', async () => {
  const bare = { ...NAME, stage: 'issuance' } as const
  assert.equal(codes(await decide(STRICT, bare)), 'key,lifetime,usage')
  const whole = { ...bare, key: KEY, lifetimeSeconds: 60, extendedKeyUsages: ['serverAuth'] }
  assert.equal(codes(await decide(STRICT, whole)), 'allow')
})

test('every reason of different kinds is given together', async () => {
  const decision = await decide(STRICT, {
    names: [dns('example.com')],
    profile: 'server',
    lifetimeSeconds: 1e9,
    extendedKeyUsages: ['clientAuth'],
    key: { algorithm: 'RSA', bits: 1024, spkiSha256: '00' },
  })
  assert.equal(codes(decision), 'name-not-allowed,key,lifetime,usage')
})

test('KF-A25 KF-G01 what breaks inside is a denial, never an exception and never an allow', async () => {
  const broken = createPolicy({ config: STRICT, name: 'default', profiles: PROFILES })
  const requests = [
    undefined,
    {},
    { names: undefined },
    { names: [undefined] },
    { names: [{ type: 'dns' }] },
    { names: [{ type: 'dns', value: 7 }] },
    { names: [{ type: 'ip', value: null }] },
  ]
  for (const request of requests) {
    const decision = await broken.decide(request as unknown as PolicyRequest)
    assert.equal(decision.outcome, 'deny')
    assert.deepEqual(
      decision.reasons.map((reason) => reason.code),
      ['unavailable'],
    )
  }
})

test('KF-F11 KF-C10 hostile names of 10 kB are denied, and repeated only in part', async () => {
  const values = [
    'a'.repeat(10_000),
    'a.'.repeat(5_000),
    '*.'.repeat(5_000),
    '\0'.repeat(10_000),
    `${'a-'.repeat(5_000)}.a.test`,
  ]
  const decision = await decide(STRICT, { names: [...values.map(dns), ...values.map(ip)] })
  assert.equal(decision.outcome, 'deny')
  assert.equal(decision.reasons.length, 10)
  for (const reason of decision.reasons) assert.ok(reason.detail.length < 700)
})

test('KF-C07 a request is not changed', async () => {
  const names = Object.freeze([Object.freeze(dns('www.a.test')), Object.freeze(dns('secret.a.test'))])
  const decision = await decide(STRICT, Object.freeze({ names }))
  assert.equal(decision.outcome, 'deny')
})

test('a pattern or block that cannot be read stops the start, naming its key', () => {
  const make = (policy: object): void => {
    createPolicy({ config: configured(policy), name: 'default', profiles: PROFILES })
  }
  assert.throws(() => make({ allow: { dns: ['a*.test'] } }), /policies\.default\.allow\.dns: "a\*\.test"/)
  assert.throws(() => make({ deny: { dns: ['^evil$'] } }), /policies\.default\.deny\.dns/)
  assert.throws(() => make({ allow: { ip: ['10.0.0.1/8'] } }), /policies\.default\.allow\.ip.*write 10\.0\.0\.0\/8/)
  assert.throws(() => make({ deny: { ip: ['10.0.0.*'] } }), /policies\.default\.deny\.ip/)
})
