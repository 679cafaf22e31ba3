import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SeededRandom } from '../../../test/support/seeded-random.ts'
import type { Policy, PolicyRequest, RequestedName } from '../decision.ts'
import { dnsParts, dnsPattern, emailParts, uriParts } from './name-parts.ts'
import type { IssuedNames } from './often.ts'
import { compilePolicy, parsePolicyFile, readPolicy } from './read-policy.ts'
import { holdsSequence, type Parts } from './sequence-pattern.ts'

const PROFILES = new Map([
  ['server', { lifetimeSeconds: 86_400, maxLifetimeSeconds: 604_800, extendedKeyUsages: ['serverAuth'] }],
])
const NOW = new Date('2026-03-01T12:00:00Z')

async function policyOf(rules: string, often: { issuedNames?: IssuedNames } = {}): Promise<Policy> {
  const file = parsePolicyFile(`version: 1\nrules:\n${rules}`)
  return (await compilePolicy(file, 'v', { profiles: PROFILES, ...often })).policy
}

function order(names: readonly string[], more: Partial<PolicyRequest> = {}): PolicyRequest {
  const key = { id: 'eab_1', attributes: { team: 'red' }, groups: ['g'] }
  return {
    requester: { kind: 'account', directory: 'default', accountId: 'acc_1', externalKey: key },
    stage: 'order',
    profile: 'server',
    names: names.map((value) => ({ type: 'dns', value })),
    at: NOW,
    ...more,
  }
}

const codes = async (policy: Policy, request: PolicyRequest): Promise<string> => {
  const decision = await policy.decide(request)
  return decision.outcome === 'allow' ? 'allow' : decision.reasons.map(({ code }) => code).join()
}

test('KF-G01 a condition that cannot be evaluated refuses, whatever else would allow', async () => {
  const policy = await policyOf(`
  - { name: fine, names: { dns: ['*.a.test'] } }
  - { name: broken, names: { dns: ['*.a.test'] }, when: "attributes.nothing == 'x'" }`)
  const decision = await policy.decide(order(['x.a.test']))
  assert.equal(decision.outcome, 'deny')
  assert.equal(decision.reasons[0]?.code, 'unavailable')
  assert.match(decision.reasons[0]?.detail ?? '', /condition/)
})

test('KF-F11 a condition that would cost too much refuses, before it runs and for all of a decision together', async () => {
  const nested = "names.all(a, names.all(b, names.all(c, a.value != b.value || b.value != c.value || a.type == 'dns')))"
  const dear = await policyOf(`  - { name: dear, names: { dns: ['*.a.test'] }, when: "${nested}" }`)
  assert.equal(await codes(dear, order(['x.a.test'])), 'allow')
  const many = Array.from({ length: 60 }, (_, i) => `x${i}.a.test`)
  assert.equal(await codes(dear, order(many)), 'unavailable')
  const rules = Array.from(
    { length: 500 },
    (_, i) => `  - { name: r${i}, names: { dns: ['*.a.test'] }, when: "names.exists(n, n.value == 'no${i}')" }`,
  )
  assert.equal(await codes(await policyOf(rules.join('\n')), order(['x.a.test'])), 'condition')
  assert.equal(await codes(await policyOf(rules.join('\n')), order(many)), 'unavailable')
})

test('KF-F11 conditions with regular expressions, of other types or with unknown names refuse the file', async () => {
  for (const when of ["'a'.matches('a+')", "'a'", 'size(names)', 'nobody == 1', 'names.all(', ''])
    await assert.rejects(policyOf(`  - { name: r, names: { dns: [a.test] }, when: "${when}" }`), {
      name: 'PolicyFileError',
    })
})

test('KF-G01 a store that is down refuses what depends on it, and nothing else', async () => {
  const issuedNames = { look: () => Promise.reject(new Error('the store is down')) }
  const policy = await policyOf(
    `
  - { name: counted, names: { dns: ['*.a.test'] }, often: { perName: { count: 1, per: 1h } } }
  - { name: free, names: { dns: ['*.b.test'] } }`,
    { issuedNames },
  )
  assert.equal(await codes(policy, order(['x.a.test'])), 'unavailable')
  assert.equal(await codes(policy, order(['x.b.test'])), 'allow')
})

test('KF-E09 how often a name was certified is asked as of the moment of the request', async () => {
  const asked: Date[] = []
  const issuedNames: IssuedNames = { look: async ({ now }) => ({ position: asked.push(now) }) }
  const policy = await policyOf(`  - { name: r, names: { dns: ['*.a.test'] }, often: { renewAfter: 0.5 } }`, {
    issuedNames,
  })
  assert.equal(await codes(policy, order(['x.a.test'])), 'allow')
  assert.deepEqual(asked, [NOW])
})

test('KF-E09 a rule ends at its instant, and a time that is none refuses', async () => {
  const policy = await policyOf(`  - { name: r, names: { dns: ['*.a.test'] }, expires: 2026-03-01T12:00:00Z }`)
  const at = (ms: number): PolicyRequest => order(['x.a.test'], { at: new Date(ms) })
  assert.equal(await codes(policy, at(NOW.getTime() - 1)), 'allow')
  assert.equal(await codes(policy, at(NOW.getTime())), 'name-not-allowed')
  assert.equal(await codes(policy, at(Number.NaN)), 'unavailable')
})

test('KF-A25 KF-G01 whatever is asked is answered, and what is no request is refused', async () => {
  const policy = await policyOf(
    `  - { name: all, names: { dns: ['**'], ip: [0.0.0.0/0], uri: ['spiffe://a/**'], email: ['**@a.test'] } }`,
  )
  const odd = [
    undefined,
    null,
    7,
    'x',
    {},
    { names: [undefined] },
    { names: 'x' },
    { ...order(['a.test']), requester: undefined },
  ]
  for (const request of odd) assert.equal((await policy.decide(request as unknown as PolicyRequest)).outcome, 'deny')
})

test('the widest of the rules for one name counts, and the narrowest of the names', async () => {
  const policy = await policyOf(`
  - { name: long, names: { dns: ['*.a.test'] }, challenges: { default: dns-01 }, with: { maxLifetime: 2d } }
  - { name: short, names: { dns: ['*.a.test'] }, with: { maxLifetime: 1h } }
  - { name: other, names: { dns: ['*.b.test'] }, with: { maxLifetime: 6h, defaultLifetime: 3h } }`)
  const grant = async (request: PolicyRequest) => {
    const decision = await policy.decide(request)
    return decision.outcome === 'allow' ? decision.grant : undefined
  }
  // A day, as the profile has it: only the first rule allows that, and it wants dns-01.
  assert.deepEqual(await grant(order(['x.a.test'])), {
    methods: [['dns-01']],
    lifetimeSeconds: 86_400,
    maxLifetimeSeconds: 172_800,
  })
  assert.deepEqual((await grant(order(['x.a.test'], { lifetimeSeconds: 3600 })))?.methods, [undefined])
  assert.deepEqual(await grant(order(['x.a.test', 'x.b.test'])), {
    methods: [['dns-01'], undefined],
    lifetimeSeconds: 10_800,
    maxLifetimeSeconds: 21_600,
  })
})

test('what a certificate says beyond a rule is refused: subject, policies, usages, stapling, proof', async () => {
  const policy = await policyOf(`
  - name: r
    names: { dns: ['*.a.test'] }
    challenges: { dns: [dns-01, pre-authorized] }
    with: { extendedKeyUsages: serverAuth, subject: { O: Corp, CN: '*' }, certificatePolicies: [1.2.3], mustStaple: true }`)
  const [name] = order(['x.a.test']).names
  assert.ok(name)
  const good = order(['x.a.test'], {
    stage: 'issuance',
    key: { algorithm: 'P-256', bits: 256, spkiSha256: '' },
    lifetimeSeconds: 3600,
    extendedKeyUsages: ['serverAuth'],
    subject: [
      { attribute: 'O', value: 'Corp' },
      { attribute: 'CN', value: 'x.a.test' },
    ],
    certificatePolicies: ['1.2.3'],
    mustStaple: true,
    proofs: [{ name, method: 'pre-authorized', at: NOW }],
  })
  assert.equal(await codes(policy, good), 'allow')
  const wrong: readonly (readonly [Partial<PolicyRequest>, string])[] = [
    [{ subject: [{ attribute: 'O', value: 'Corp ' }] }, 'subject'],
    [{ subject: [{ attribute: 'OU', value: 'Corp' }] }, 'subject'],
    [{ certificatePolicies: ['1.2.3', '1.2.4'] }, 'subject'],
    [{ mustStaple: false }, 'usage'],
    [{ proofs: [{ name, method: 'http-01', at: NOW }] }, 'proof'],
    [{ proofs: [] }, 'proof'],
  ]
  for (const [change, code] of wrong)
    assert.equal(await codes(policy, { ...good, ...change }), code, JSON.stringify(change))
  const { subject: _, ...unknown } = good
  assert.equal(await codes(policy, unknown), 'subject')
})

test('a denial beats every allowance, and a wildcard that could stand for a denied name is denied', async () => {
  const policy = await policyOf(`
  - { name: all, names: { dns: ['**.a.test'], wildcards: true } }
  - { name: no, effect: deny, names: { dns: [vault.a.test, '**.x.a.test'] } }
  - { name: late, effect: deny, names: { dns: ['*.key.a.test'] }, keys: RSA }`)
  for (const bad of ['vault.a.test', '*.a.test', 'q.x.a.test', '*.x.a.test', '*.q.x.a.test'])
    assert.equal(await codes(policy, order([bad])), 'name-denied', bad)
  for (const good of ['b.a.test', '*.b.a.test', 'x.a.test', 'y.key.a.test'])
    assert.equal(await codes(policy, order([good])), 'allow', good)
})

test('near misses are for the operator: other rules are not told of to the requester', async () => {
  const policy = await policyOf(`  - { name: secret-project, for: { groups: [others] }, names: { dns: ['*.a.test'] } }`)
  const decision = await policy.decide(order(['x.a.test']))
  assert.equal(decision.outcome, 'deny')
  assert.ok(decision.outcome === 'deny')
  assert.doesNotMatch(JSON.stringify(decision.reasons), /secret-project|others/)
  assert.deepEqual(
    decision.nearMisses?.map(({ rule }) => rule),
    ['secret-project'],
  )
})

const ALPHABET = [
  'a',
  'b',
  'test',
  '*',
  '**',
  '.',
  '..',
  '-',
  'A',
  'xn--',
  '%',
  '\0',
  '\n',
  ' ',
  '@',
  '/',
  ':',
  'spiffe://',
  'ü',
  '\u{1f511}',
  '\ud800',
  ',',
]

function anyText(random: SeededRandom): string {
  let text = ''
  for (let left = random.bytes(1)[0]! % 24; left > 0; left--) text += ALPHABET[random.bytes(1)[0]! % ALPHABET.length]
  return text
}

test('KF-C11 the matcher is total: any text of any type is decided, and allowed only by whole labels', async () => {
  const random = new SeededRandom('11')
  const policy = await policyOf(
    `  - { name: r, names: { dns: ['*.a.test'], uri: ['spiffe://a.test/ns/*'], email: ['*@a.test'] } }`,
  )
  const types = ['dns', 'ip', 'uri', 'email', 'other'] as const
  let allowed = 0
  for (let i = 0; i < 20_000; i++) {
    const type = types[i % types.length] ?? 'dns'
    const text =
      i % 3 === 0
        ? `${anyText(random)}.a.test`
        : i % 3 === 1
          ? `spiffe://a.test/ns/${anyText(random)}`
          : `${anyText(random)}@a.test`
    const name = { type, value: text } as RequestedName
    const decision = await policy.decide(order([], { names: [name] }))
    for (const { code } of decision.reasons) assert.notEqual(code, 'unavailable', JSON.stringify(text))
    if (decision.outcome === 'deny') continue
    allowed++
    const shape = {
      dns: /^[a-z0-9-]{1,63}\.a\.test$/,
      uri: /^spiffe:\/\/a\.test\/ns\/[^/]+$/,
      email: /^[^@\s]+@a\.test$/,
    }
    assert.ok(type === 'dns' || type === 'uri' || type === 'email')
    assert.match(text, shape[type])
  }
  assert.ok(allowed > 50, String(allowed))
})

test('a pattern agrees with the plain meaning of its stars, for any name', () => {
  const random = new SeededRandom('12')
  const labels = ['a', 'b', 'c', 'test']
  const any = (most: number): string[] =>
    Array.from({ length: 1 + (random.bytes(1)[0]! % most) }, () => labels[random.bytes(1)[0]! % labels.length] ?? 'a')
  for (let i = 0; i < 20_000; i++) {
    const pattern = any(4).map((label) => (random.bytes(1)[0]! % 4 === 0 ? '*' : label))
    if (random.bytes(1)[0]! % 2 === 0) pattern[random.bytes(1)[0]! % pattern.length] = '**'
    const name = any(6)
    const held = holdsSequence(dnsPattern(pattern.join('.')), dnsParts(name.join('.')))
    assert.equal(held, meaning(pattern, name), `${pattern.join('.')} ${name.join('.')}`)
  }
})

/** By trying every length of `**`; slow and plain. */
function meaning(pattern: readonly string[], name: readonly string[]): boolean {
  const [first, ...rest] = pattern
  if (first === undefined) return name.length === 0
  if (first !== '**') return name.length > 0 && (first === '*' || first === name[0]) && meaning(rest, name.slice(1))
  return name.some((_, index) => meaning(rest, name.slice(index + 1)))
}

test('KF-F11 matching takes steps in proportion to the labels of the name, counted, whatever the pattern', () => {
  const patterns = ['**.a.test', 'a.**.test', 'a.a.a.a.**', '*.*.*.*.a.test', '**.a.a.a.a.a.test'].map(dnsPattern)
  for (const pattern of patterns) {
    for (const length of [10, 100, 1_000, 10_000]) {
      let steps = 0
      const parts: Parts = new Proxy(new Array<string>(length).fill('a'), {
        get(target, key, receiver) {
          if (typeof key === 'string' && /^\d+$/.test(key)) steps++
          return Reflect.get(target, key, receiver)
        },
      })
      holdsSequence(pattern, parts)
      assert.ok(steps <= length + pattern.parts.length, `${steps} steps for ${length} labels`)
    }
  }
})

test('KF-F11 names of 10 kB have bounded parts or none', () => {
  for (const text of ['a'.repeat(10_000), 'a.'.repeat(5_000), 'spiffe://a/'.repeat(900), '@'.repeat(10_000)]) {
    assert.ok((uriParts(text)?.length ?? 0) <= 2_048)
    assert.equal(emailParts(text), undefined)
    assert.ok(dnsParts(text).length <= 10_000)
  }
})

test('KF-G06 a file is refused whole, and every fault of its form is told with its place', async () => {
  const read = (text: string) => readPolicy(text, { profiles: PROFILES, directories: new Set(['default']), now: NOW })
  const faults: readonly (readonly [string, RegExp])[] = [
    ['version: 2\nrules: []', /version/],
    ['rules: []', /version/],
    ['version: 1\nrules: []\nrulez: []', /rulez/],
    ['version: 1\nrules: [{ name: r, names: { dns: [a.test] }, effekt: deny }]', /rules\[0\] \(r\).*effekt/],
    ['version: 1\nrules: [{ name: r, names: { dns: [a.test], dns: [b.test] } }]', /unique/i],
    ['version: 1\nrules: [&x { name: r, names: { dns: [a.test] } }]', /anchors/],
    ['version: 1\nrules: [{ name: r }]', /rule r: an allowing rule must say which names/],
    ['version: 1\nrules: [{ name: r, effect: deny, expires: 2030-01-01T00:00:00Z }]', /may not end by itself/],
    ['version: 1\nrules: [{ name: r, names: { dns: [a.test] }, profiles: [servr] }]', /did you mean server/],
    [
      'version: 1\nrules: [{ name: r, names: { dns: [a.test] }, for: { directories: [defualt] } }]',
      /did you mean default/,
    ],
    ['version: 1\nrules: [{ name: r, names: { ip: [10.0.0.1/8] } }]', /rule r: .*write 10\.0\.0\.0\/8/],
    ['version: 1\nrules: [{ name: r, names: { uri: ["spiffe://*/x"] } }]', /authority/],
    ['version: 1\nrules: [{ name: r, names: { dns: ["**.a.**"] } }]', /only once/],
    [
      'version: 1\nrules: [{ name: r, names: { dns: [a.test] }, with: { maxLifetime: 1h, defaultLifetime: 2h } }]',
      /longer/,
    ],
  ]
  for (const [text, fault] of faults) await assert.rejects(read(text), fault, text)
  assert.equal((await read('version: 1\nrules: []')).file.rules.length, 0)
})
