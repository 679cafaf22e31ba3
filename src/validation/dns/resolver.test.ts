import assert from 'node:assert/strict'
import { after, beforeEach, test } from 'node:test'
import { type FakeDns, startFakeDns } from '../../../test/support/fake-dns.ts'
import { aProbe, aResolver } from '../../../test/support/probe.ts'
import { DnsError } from './dns-error.ts'
import { createServerTable } from './servers.ts'

let dns: FakeDns
const opened: FakeDns[] = []
async function another(): Promise<FakeDns> {
  const server = await startFakeDns()
  opened.push(server)
  return server
}
beforeEach(async () => {
  dns = await another()
})
after(() => Promise.all(opened.map((server) => server.close())))

function code(expected: DnsError['code']): (error: unknown) => boolean {
  return (error) => error instanceof DnsError && error.code === expected
}

async function texts(name: string, resolvers = [dns.resolver], timeoutMs = 2_000): Promise<string[]> {
  const found = await aResolver(resolvers, { timeoutMs }).lookup(name, 'TXT', aProbe())
  return found.records.map((record) => record.text.toString())
}

test('found, no data and no such name are three different answers', async () => {
  dns.set('x.test', 'TXT', 'here')
  const resolver = aResolver([dns.resolver])
  assert.deepEqual((await resolver.lookup('x.test', 'TXT', aProbe())).outcome, 'found')
  assert.deepEqual((await resolver.lookup('x.test', 'A', aProbe())).outcome, 'no-data')
  assert.deepEqual((await resolver.lookup('y.test', 'A', aProbe())).outcome, 'no-such-name')
})

test('KF-A23 ids, ports and the case of names are different from question to question', async () => {
  const name = 'a-rather-long-name-for-many-letters.corp.test'
  dns.set(name, 'TXT', 'x')
  for (let i = 0; i < 24; i++) await texts(name)
  const distinct = (values: (string | number)[]): number => new Set(values).size
  assert.ok(distinct(dns.queries.map((q) => q.id)) > 20, 'ids')
  assert.ok(distinct(dns.queries.map((q) => q.sourcePort)) > 12, 'ports')
  assert.equal(distinct(dns.queries.map((q) => q.rawName)), 24, 'cases')
  assert.ok(dns.queries.every((q) => q.dnssecOk === true))
})

test('KF-A23 packets with another id, name or type are thrown away, and the true answer is taken', async () => {
  const forged = { answers: [{ name: 'x.test', type: 'TXT', data: ['forged'] }] }
  dns.script('x.test', (query) => [
    { ...forged, id: query.id ^ 1 },
    { ...forged, questionName: 'y.test' },
    { ...forged, questionType: 'A' },
    { raw: Buffer.alloc(1), keepId: false },
    { answers: [{ name: 'x.test', type: 'TXT', data: ['true'] }] },
  ])
  assert.deepEqual(await texts('x.test'), ['true'])
})

test('KF-A23 an answer that does not repeat the mixture of cases is not believed, but asked for by TCP', async () => {
  const name = 'many-letters-here.test'
  dns.script(name, (query) => ({
    questionName: name.toUpperCase(),
    answers: [{ name, type: 'TXT', data: [query.transport] }],
  }))
  assert.deepEqual(await texts(name), ['tcp'])
})

test('KF-A23 a flood of wrong packets ends the question instead of giving more guesses', async () => {
  dns.script('x.test', (query) => Array.from({ length: 40 }, (_, i) => ({ id: (query.id + 1 + i) & 0xffff })))
  await assert.rejects(texts('x.test'), code('refused'))
})

test('KF-A03 a truncated answer is asked for again by TCP, and nothing of it is used', async () => {
  dns.script('x.test', ({ transport }) =>
    transport === 'udp'
      ? { truncated: true, answers: [{ name: 'x.test', type: 'TXT', data: ['half'] }] }
      : { answers: [{ name: 'x.test', type: 'TXT', data: ['whole'] }] },
  )
  assert.deepEqual(await texts('x.test'), ['whole'])
})

test('KF-A03 an answer that is truncated even by TCP is no answer', async () => {
  dns.script('x.test', () => ({ truncated: true, answers: [{ name: 'x.test', type: 'TXT', data: ['half'] }] }))
  await assert.rejects(texts('x.test'), code('truncated'))
})

test('CQ-V14 aliases are followed within an answer and, where it ends in one, by asking on', async () => {
  dns.set('_acme-challenge.a.test', 'CNAME', 'b.test')
  dns.set('b.test', 'CNAME', 'c.test')
  dns.script('c.test', () => ({ answers: [{ name: 'c.test', type: 'CNAME', data: 'd.test' }] }))
  dns.set('d.test', 'TXT', 'there')
  assert.deepEqual(await texts('_acme-challenge.a.test'), ['there'])
})

test('KF-A18 eight aliases are followed and nine are not', async () => {
  const chain = (length: number): void => {
    for (let i = 0; i < 12; i++) {
      dns.set(`n${i}.test`, 'CNAME')
      dns.set(`n${i}.test`, 'TXT')
    }
    for (let i = 0; i < length; i++) dns.set(`n${i}.test`, 'CNAME', `n${i + 1}.test`)
    dns.set(`n${length}.test`, 'TXT', 'end')
  }
  chain(8)
  assert.deepEqual(await texts('n0.test'), ['end'])
  chain(9)
  await assert.rejects(texts('n0.test'), code('alias'))
})

test('KF-F09 aliases in a circle end at once', async () => {
  dns.set('a.test', 'CNAME', 'B.test')
  dns.set('b.test', 'CNAME', 'a.test')
  await assert.rejects(texts('a.test'), /go round in a circle/)
  dns.set('self.test', 'CNAME', 'self.test')
  await assert.rejects(texts('self.test'), /go round in a circle/)
})

test('KF-F09 an alias to a name that no resolver can be asked for is refused', async () => {
  dns.script('a.test', () => ({ answers: [{ name: 'a.test', type: 'CNAME', data: '.' }] }))
  await assert.rejects(texts('a.test'), code('malformed'))
})

test('records of other names in the answer are not used', async () => {
  dns.script('x.test', () => ({ answers: [{ name: 'evil.test', type: 'TXT', data: ['planted'] }] }))
  assert.deepEqual(await texts('x.test'), [])
})

test('KF-F09 bytes of any kind from a resolver end in a refusal', async () => {
  let state = 42
  const byte = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state >>> 24
  }
  const resolver = aResolver([dns.resolver], { timeoutMs: 50 })
  dns.script('x.test', () => ({ raw: Buffer.from(Array.from({ length: 12 + (byte() >> 1) }, byte)) }))
  for (let i = 0; i < 60; i++) await assert.rejects(resolver.lookup('x.test', 'TXT', aProbe()), DnsError)
})

test('KF-A23 a resolver that fails is passed over, and its failure is in the evidence', async () => {
  const [silent, failing, refusing] = [await another(), await another(), await another()]
  silent.script('*', () => undefined)
  failing.script('*', () => ({ rcode: 'SERVFAIL' }))
  refusing.script('*', () => ({ rcode: 'REFUSED' }))
  dns.set('x.test', 'TXT', 'here')
  const probe = aProbe()
  const resolvers = [silent.resolver, failing.resolver, refusing.resolver, dns.resolver]
  await aResolver(resolvers, { timeoutMs: 500 }).lookup('x.test', 'TXT', probe)
  assert.deepEqual(probe.evidence.lookups[0]?.servers, [
    { server: silent.resolver, outcome: 'timeout' },
    { server: failing.resolver, outcome: 'server-failure' },
    { server: refusing.resolver, outcome: 'refused' },
    { server: dns.resolver, outcome: 'answered' },
  ])
})

test('KF-A03 SERVFAIL, REFUSED and silence of every resolver are failures, never empty answers', async () => {
  dns.script('a.test', () => ({ rcode: 'SERVFAIL' }))
  dns.script('b.test', () => ({ rcode: 'REFUSED' }))
  dns.script('c.test', () => undefined)
  await assert.rejects(texts('a.test'), code('server-failure'))
  await assert.rejects(texts('b.test'), code('refused'))
  await assert.rejects(texts('c.test', [dns.resolver], 30), code('timeout'))
})

test('a name is not asked of another resolver once one has said that it does not exist', async () => {
  const second = await another()
  second.set('x.test', 'TXT', 'other view')
  assert.deepEqual(await texts('x.test', [dns.resolver, second.resolver]), [])
  assert.equal(second.queries.length, 0)
})

test('the AD bit of every answer on the way is needed for authenticated', async () => {
  dns.script('a.test', () => ({ authenticated: true, answers: [{ name: 'a.test', type: 'CNAME', data: 'b.test' }] }))
  dns.script('b.test', () => ({ authenticated: false, answers: [{ name: 'b.test', type: 'TXT', data: ['x'] }] }))
  dns.script('c.test', () => ({ authenticated: true, answers: [{ name: 'c.test', type: 'TXT', data: ['x'] }] }))
  const probe = aProbe()
  const resolver = aResolver([dns.resolver])
  await resolver.lookup('a.test', 'TXT', probe)
  await resolver.lookup('c.test', 'TXT', probe)
  assert.deepEqual(
    probe.evidence.lookups.map(({ authenticated }) => authenticated),
    [false, true],
  )
})

test('a resolver that does not know EDNS is asked again without', async () => {
  dns.script('x.test', ({ dnssecOk }) =>
    dnssecOk === undefined ? { answers: [{ name: 'x.test', type: 'TXT', data: ['old'] }] } : { rcode: 'FORMERR' },
  )
  assert.deepEqual(await texts('x.test'), ['old'])
})

test('localhost and the names below it are this machine, and are asked of nobody', async () => {
  dns.script('*', () => ({ answers: [{ name: 'a.localhost', type: 'A', data: '203.0.113.9' }] }))
  const resolver = aResolver([dns.resolver])
  for (const name of ['localhost', 'a.localhost']) {
    const [four, six, text] = await Promise.all([
      resolver.lookup(name, 'A', aProbe()),
      resolver.lookup(name, 'AAAA', aProbe()),
      resolver.lookup(name, 'TXT', aProbe()),
    ])
    assert.deepEqual(four.records[0]?.address, Buffer.of(127, 0, 0, 1))
    assert.equal(six.records[0]?.address.toString('hex'), `${'00'.repeat(15)}01`)
    assert.equal(text.outcome, 'no-such-name')
  }
  assert.equal(dns.queries.length, 0)
})

test('a name is asked of the resolvers of its longest zone, by whole labels', async () => {
  const [corp, lab] = [await another(), await another()]
  const zones = { 'corp.test': [corp.resolver], 'lab.corp.test': [lab.resolver] }
  const resolver = aResolver([dns.resolver], { zones })
  const asked = async (name: string): Promise<FakeDns | undefined> => {
    for (const server of [dns, corp, lab]) server.queries.length = 0
    await resolver.lookup(name, 'A', aProbe())
    return [dns, corp, lab].find((server) => server.queries.length > 0)
  }
  assert.equal(await asked('www.corp.test'), corp)
  assert.equal(await asked('corp.test'), corp)
  assert.equal(await asked('a.b.lab.corp.test'), lab)
  assert.equal(await asked('evilcorp.test'), dns)
})

test('an alias that leads into another zone is asked of the resolvers of that zone', async () => {
  const inner = await another()
  dns.script('_acme-challenge.x.test', () => ({
    answers: [{ name: '_acme-challenge.x.test', type: 'CNAME', data: 'proof.corp.test' }],
  }))
  inner.set('proof.corp.test', 'TXT', 'inner view')
  const resolver = aResolver([dns.resolver], { zones: { 'corp.test': [inner.resolver] } })
  const found = await resolver.lookup('_acme-challenge.x.test', 'TXT', aProbe())
  assert.deepEqual(
    found.records.map((record) => record.text.toString()),
    ['inner view'],
  )
})

test('what resolvers say of a name in the zone of others is not used, be it a record or that there is none', async () => {
  const inner = await another()
  inner.set('proof.corp.test', 'TXT', 'inner view')
  const alias = { name: '_acme-challenge.x.test', type: 'CNAME', data: 'proof.corp.test' } as const
  const resolver = aResolver([dns.resolver], { zones: { 'corp.test': [inner.resolver] } })
  const answers = [
    { rcode: 'NXDOMAIN', answers: [alias] },
    { answers: [alias, { name: 'proof.corp.test', type: 'TXT', data: ['outer view'] }] },
  ] as const
  for (const answer of answers) {
    dns.script(alias.name, () => ({ ...answer, answers: [...answer.answers] }))
    const found = await resolver.lookup(alias.name, 'TXT', aProbe())
    assert.deepEqual(
      found.records.map((record) => record.text.toString()),
      ['inner view'],
    )
  }
})

test('an alias to a name of this machine is this machine, whatever address comes with it', async () => {
  dns.script('x.test', () => ({
    answers: [
      { name: 'x.test', type: 'CNAME', data: 'a.localhost' },
      { name: 'a.localhost', type: 'A', data: '10.1.2.3' },
    ],
  }))
  const found = await aResolver([dns.resolver]).lookup('x.test', 'A', aProbe())
  assert.deepEqual(
    found.records.map((record) => record.address.toString('hex')),
    ['7f000001'],
  )
})

test('without a resolver every lookup fails and says which setting is empty', async () => {
  const table = createServerTable({ resolvers: [], zones: {}, systemServers: () => ['fe80::1%eth0'] })
  assert.deepEqual(table.find('x.test'), { servers: [] })
  await assert.rejects(
    aResolver([]).lookup('x.test', 'TXT', aProbe(AbortSignal.abort(new Error('stop')))),
    /stop|validation.dns.resolvers/,
  )
})

test('the system resolvers are used when none is configured, with and without port and brackets', () => {
  const systemServers = (): string[] => ['10.0.0.1', '10.0.0.2:5353', '[fd00::53]:5353', 'fd00::54']
  assert.deepEqual(createServerTable({ resolvers: [], zones: {}, systemServers }).find('x.test').servers, [
    { address: '10.0.0.1', port: 53 },
    { address: '10.0.0.2', port: 5353 },
    { address: 'fd00::53', port: 5353 },
    { address: 'fd00::54', port: 53 },
  ])
})

test('a resolver or zone that cannot be read stops the start and is named', () => {
  const table =
    (resolvers: string[], zones = {}) =>
    () =>
      createServerTable({ resolvers, zones })
  assert.throws(table(['dns.corp.test']), /validation\.dns\.resolvers.*dns\.corp\.test/)
  assert.throws(table(['10.0.0.1:0']), /validation\.dns\.resolvers/)
  assert.throws(table([], { '*.corp.test': ['10.0.0.1'] }), /validation\.dns\.zones/)
  assert.throws(table([], { 'corp.test': [] }), /at least one resolver/)
})
