import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type FakeDns, startFakeDns } from '../../test/support/fake-dns.ts'
import { aProbe, aResolver, KEY_AUTHORIZATION } from '../../test/support/probe.ts'
import { dns01Question, proveDns01 } from './dns-01.ts'
import { type FailureType, ValidationFailure } from './failure.ts'

const DIGEST = '_cC5rvB9vM8qzT3MTBcTeVpQwtbNypBXyQnE4fhM9QQ'
const QUERY = '_acme-challenge.www.corp.test'

let dns: FakeDns
before(async () => {
  dns = await startFakeDns()
})
after(() => dns.close())

async function prove(name = 'www.corp.test'): Promise<void> {
  await proveDns01(
    { name, keyAuthorization: KEY_AUTHORIZATION },
    aResolver([dns.resolver], { timeoutMs: 500 }),
    aProbe(),
  )
}

async function refused(type: FailureType, detail: RegExp, name?: string): Promise<void> {
  await assert.rejects(
    prove(name),
    (error) => error instanceof ValidationFailure && error.type === type && detail.test(error.message),
  )
}

test('KF-A20 the query name and the expected value are pinned', async () => {
  assert.deepEqual(dns01Question('www.corp.test', KEY_AUTHORIZATION), { queryName: QUERY, expected: DIGEST })
  dns.set(QUERY, 'TXT', DIGEST)
  dns.queries.length = 0
  await prove()
  // As a set: a lost packet may be asked for again, but never for anything else.
  const asked = new Set(dns.queries.map(({ name, type }) => `${name} ${type}`))
  assert.deepEqual([...asked], [`${QUERY} TXT`])
})

test('KF-A20 the value at the name itself, or below another prefix, proves nothing', async () => {
  dns.set(QUERY, 'TXT')
  for (const name of [
    'www.corp.test',
    '_acme.www.corp.test',
    'acme-challenge.www.corp.test',
    '_acme-challenge.corp.test',
  ]) {
    dns.set(name, 'TXT', DIGEST)
  }
  await refused('dns', /_acme-challenge\.www\.corp\.test does not exist/)
})

test('KF-A18 only a record equal octet for octet counts', async () => {
  const wrong = [
    `${DIGEST}=`,
    ` ${DIGEST}`,
    `${DIGEST} `,
    `"${DIGEST}"`,
    DIGEST.toLowerCase(),
    DIGEST.slice(0, -1),
    `${DIGEST}${DIGEST}`,
    KEY_AUTHORIZATION,
    '',
    Buffer.from(DIGEST, 'base64url').toString('base64'),
  ]
  for (const value of wrong) {
    dns.set(QUERY, 'TXT', value)
    await refused('incorrectResponse', /The TXT record at _acme-challenge\.www\.corp\.test is not the digest/)
  }
  dns.set(QUERY, 'TXT', ...wrong)
  await refused('incorrectResponse', /None of the 10 TXT records at _acme-challenge/)
})

test('KF-A18 one right record among two hundred is found, by TCP where they do not fit', async () => {
  const others = Array.from({ length: 200 }, (_, i) => `${String(i).padStart(3, '0')}${DIGEST.slice(3)}`)
  dns.set(QUERY, 'TXT', ...others)
  await refused('incorrectResponse', /None of the 200/)
  dns.set(QUERY, 'TXT', ...others.slice(0, 150), DIGEST, ...others.slice(150))
  await prove()
})

test('KF-A18 the strings of one record are joined before comparing, those of two records are not', async () => {
  const halves = [DIGEST.slice(0, 20), DIGEST.slice(20)]
  dns.script('_acme-challenge.split.test', () => ({
    answers: [{ name: '_acme-challenge.split.test', type: 'TXT', data: ['', ...halves, ''] }],
  }))
  await prove('split.test')
  dns.set(QUERY, 'TXT', ...halves)
  await refused('incorrectResponse', /None of the 2/)
})

test('CQ-O06 the values of a name and its wildcard stand side by side, in either order', async () => {
  dns.set(QUERY, 'TXT', DIGEST, 'another-value')
  await prove()
  dns.set(QUERY, 'TXT', 'another-value', DIGEST)
  await prove()
})

test('CQ-V14 a challenge name that is an alias into another zone is followed for three hops', async () => {
  dns.set('_acme-challenge.alias.test', 'CNAME', 'one.zone.test')
  dns.set('one.zone.test', 'CNAME', 'two.zone.test')
  dns.set('two.zone.test', 'CNAME', 'three.zone.test')
  dns.set('three.zone.test', 'TXT', DIGEST)
  await prove('alias.test')
})

test('KF-A18 aliases in a circle are a dns failure that says so', async () => {
  dns.set('_acme-challenge.loop.test', 'CNAME', '_acme-challenge.loop.test')
  await refused('dns', /go round in a circle/, 'loop.test')
})

test('CQ-V13 each failure names what was asked', async () => {
  dns.set('_acme-challenge.empty.test', 'A', '192.0.2.1')
  await refused('dns', /_acme-challenge\.empty\.test has no TXT record/, 'empty.test')
  dns.script('_acme-challenge.broken.test', () => ({ rcode: 'SERVFAIL' }))
  await refused('dns', /_acme-challenge\.broken\.test could not be looked up: .*SERVFAIL/, 'broken.test')
  dns.script('_acme-challenge.silent.test', () => undefined)
  await refused('dns', /_acme-challenge\.silent\.test could not be looked up: .*not answer/, 'silent.test')
})

test('a name that leaves no room for the prefix is refused without a question, for good', async () => {
  const name = `${'a'.repeat(63)}.${'b'.repeat(63)}.${'c'.repeat(63)}.${'d'.repeat(45)}.test`
  dns.queries.length = 0
  await assert.rejects(prove(name), (error) => error instanceof ValidationFailure && error.hopeless)
  assert.equal(dns.queries.length, 0)
})
