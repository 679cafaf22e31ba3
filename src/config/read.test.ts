import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { ConfigError } from './config-error.ts'
import { type ResolvedConfig, readConfig } from './read.ts'
import { DEFAULT_POLICY_ADDRESSES, DEFAULT_POLICY_NAMES } from './schema.ts'

let home: string
before(async () => {
  home = await mkdtemp(join(tmpdir(), 'chancery-config-'))
})
after(() => rm(home, { recursive: true, force: true }))

async function problems(text: string, set: string[] = []): Promise<readonly string[]> {
  const file = join(home, 'test.yaml')
  await writeFile(file, text)
  try {
    await readConfig({ home, file, set })
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
    throw error
  }
  return []
}

const read = (...set: string[]): Promise<ResolvedConfig> => readConfig({ home, set })

test('without a file everything has its default', async () => {
  const config = await read()
  assert.equal(config.publicUrl, 'https://localhost:8443')
  assert.equal(config.publicHttpUrl, 'http://localhost:8080')
  assert.deepEqual(config.database, { engine: 'sqlite', path: join(home, 'chancery.db') })
  assert.deepEqual(Object.keys(config.directories), ['default'])
  assert.deepEqual(config.policies['default']?.allow.dns, [...DEFAULT_POLICY_NAMES])
  assert.equal(config.file, undefined)
})

test('addresses for clients follow the ports of the listeners until they are set', async () => {
  const config = await read('listeners.acme=127.0.0.1:1443', 'listeners.public=[::1]:1080')
  assert.equal(config.publicUrl, 'https://localhost:1443')
  assert.equal(config.publicHttpUrl, 'http://localhost:1080')
  const set = await read('publicUrl=https://ca.corp.example/', 'publicHttpUrl=http://ca.corp.example/')
  assert.equal(set.publicUrl, 'https://ca.corp.example')
  assert.equal(set.publicHttpUrl, 'http://ca.corp.example')
})

test('the built-in directory, profile and policy stay when others are named', async () => {
  const config = await read(
    'directories.web.profile=short',
    'profiles.short.lifetime=15m',
    'policies.other.allow.dns=a.test',
  )
  assert.deepEqual(Object.keys(config.directories).sort(), ['default', 'web'])
  assert.equal(config.profiles['short']?.lifetime, 900)
  assert.equal(config.profiles['server']?.lifetime, 86_400)
  assert.deepEqual(config.policies['other']?.allow, { dns: ['a.test'], ip: [], uri: [], email: [], wildcards: true })
})

test('KF-G05 the default policy keeps its names while only other parts of it are set, and loses them when allow is', async () => {
  const kept = await read('policies.default.keys.minRsaBits=3072', 'policies.default.deny.dns=bad.internal')
  assert.deepEqual(kept.policies['default']?.allow.ip, [...DEFAULT_POLICY_ADDRESSES])
  const replaced = await read('policies.default.allow.dns=**.corp.example')
  assert.deepEqual(replaced.policies['default']?.allow, {
    dns: ['**.corp.example'],
    ip: [],
    uri: [],
    email: [],
    wildcards: true,
  })
})

test('KF-G06 an unknown key is refused with its place and the key that was probably meant', async () => {
  assert.deepEqual(await problems('listeners:\n  acme: 127.0.0.1:1\nlog:\n  levle: info\n'), [
    `${join(home, 'test.yaml')}:4: unknown key log.levle; did you mean log.level?`,
  ])
  assert.match(
    (await problems('', ['limits.enable=false'])).join(),
    /--set: unknown key limits\.enable; did you mean limits\.enabled\?/,
  )
  assert.match(
    (await problems('http01:\n  port: 5002\n')).join(),
    /unknown key http01; did you mean validation\.http01\?/,
  )
  assert.match((await problems('zzzzqqqq: 1\n')).join(), /known here: .*publicUrl/)
})

test('KF-G06 every fault of a file is told at once', async () => {
  const found = await problems('log: {level: loud}\ncrl: {lifetime: soon}\nfoo: 1\ndirectories: {"Bad Name": {}}\n')
  assert.equal(found.length, 4, found.join('\n'))
  assert.ok(found.every((line) => line.startsWith(`${join(home, 'test.yaml')}:`)))
})

const REFUSED: [string, string, RegExp][] = [
  [
    'a directory that names no profile',
    'directories.default.profile=sever',
    /directories\.default\.profile: there is no sever below profiles; did you mean server\?/,
  ],
  ['a directory that names no policy', 'directories.default.policy=x', /there is no x below policies/],
  ['a directory without challenges', 'directories.default.challenges=[]', /name at least one challenge/],
  [
    'a lifetime longer than the maximum',
    'profiles.server={lifetime: 2d, maxLifetime: 1d}',
    /lifetime \(172800 s\) must not be longer than/,
  ],
  ['a backdate as long as the lifetime', 'profiles.server={lifetime: 5m, backdate: 5m}', /born expired/],
  ['KF-C22 a public URL with a query', 'publicUrl="https://ca.test/?x=1"', /publicUrl/],
  ['KF-C22 a public URL in upper case', 'publicUrl=https://CA.test', /normal form/],
  ['KF-C22 a public URL without TLS', 'publicUrl=http://ca.test', /publicUrl/],
  ['KF-C22 a relative CRL base', 'publicHttpUrl=/crl', /publicHttpUrl/],
  ['KF-C22 a CRL base over https, which would need itself', 'publicHttpUrl=https://ca.test', /publicHttpUrl/],
  ['an admin listener for everybody', 'listeners.admin=0.0.0.0:8444', /no authentication yet/],
  ['two listeners at one address', 'listeners.public=127.0.0.1:8443', /taken by listeners\.acme/],
  ['a port that is none', 'listeners.acme=127.0.0.1:99999', /not a port/],
  ['a pattern with a wildcard inside of a label', 'policies.default.allow.dns=w*w.test', /w\*w\.test/],
  ['an address block with bits beyond its prefix', 'policies.default.allow.ip=10.0.0.1/8', /10\.0\.0\.0\/8/],
  ['an egress entry that is no block', 'validation.egress.allow=localhost', /validation\.egress\.allow/],
  ['a resolver by name', 'validation.dns.resolvers=dns.test:53', /address:port/],
  ['a CRL that lives shorter than its rebuild takes', 'crl={lifetime: 30s, rebuildWithin: 30s}', /crl\.rebuildWithin/],
  ['a name that our own certificate cannot hold', 'tls.names="a b"', /tls\.names/],
  ['an issuer name that would leave its folder', 'profiles.server.issuer=../x', /profiles\.server\.issuer/],
]

for (const [what, set, expected] of REFUSED) {
  test(`${what} is refused`, async () => {
    const found = await problems('', [set])
    assert.equal(found.length >= 1, true, 'nothing was refused')
    assert.match(found.join('\n'), expected)
  })
}

test('a file that is not there, is no map, repeats a key or uses aliases is refused', async () => {
  await assert.rejects(readConfig({ home, file: join(home, 'none.yaml') }), /there is no such file/)
  assert.match((await problems('- a\n')).join(), /must be a map/)
  assert.match((await problems('log: {}\nlog: {}\n')).join(), /unique/i)
  assert.match((await problems('log: &a {}\ntls: *a\n')).join(), /anchors are not used/)
})

test('name patterns need no quotes, in a list or alone', async () => {
  const file = join(home, 'patterns.yaml')
  await writeFile(
    file,
    'policies:\n  default:\n    allow:\n      dns:\n        - **.corp.example\n        - *.flat.example\n',
  )
  const fromFile = await readConfig({ home, file })
  assert.deepEqual(fromFile.policies['default']?.allow.dns, ['**.corp.example', '*.flat.example'])
  const fromSet = await read('policies.default.allow.dns=[**.corp.example, a.test]')
  assert.deepEqual(fromSet.policies['default']?.allow.dns, ['**.corp.example', 'a.test'])
})

test('the address of one of our own listeners may stand in the egress list', async () => {
  const config = await read('validation.egress.allow=["127.0.0.1:8080", "[::1]:8080"]')
  assert.equal(config.validation.egress.allow.length, 2)
})

test('a length of time that no date or timer can hold is refused, a century is not', async () => {
  for (const key of ['orders.lifetime', 'profiles.server.lifetime', 'shutdown.drainTimeout', 'retention.audit']) {
    assert.deepEqual(await problems('', [`${key}=36526d`]), [`--set: ${key}: must be at most 36525d`])
    assert.deepEqual(await problems('', [`${key}=36525d`]), [])
  }
})

test('addresses told to clients go into header lines: only http and https URLs in plain ASCII are taken', async () => {
  for (const key of ['termsOfService', 'website']) {
    const at = `directories.default.${key}`
    for (const bad of ['javascript:alert(1)', 'https://a.test/x>;rel="index"', 'https://例え.test/', 'a.test/terms'])
      assert.match((await problems('', [`${at}='${bad}'`])).join('; '), new RegExp(`^--set: ${at}: must be`), bad)
    assert.deepEqual(await problems('', [`${at}=https://a.test/terms%20of/service?v=1#top`]), [])
  }
})

test('a profile cannot have a name that clients could not be told, or that records keep for the server itself', async () => {
  for (const bad of ['(server)', 'a b', '-x', 'ü'])
    assert.match((await problems('', [`profiles."${bad}".lifetime=1h`])).join('; '), /must be letters/, bad)
  assert.deepEqual(await problems('', ['profiles.short_lived\\.v2.lifetime=1h']), [])
})

test('an egress entry that is neither a block nor address and port is refused with its key, before anything starts', async () => {
  for (const bad of ['1.2.3.999:80', '1.2.3.4:99999', '[::1%lo]:80', 'localhost:80'])
    assert.match(
      (await problems('', [`validation.egress.allow='${bad}'`])).join('; '),
      /^validation\.egress\.allow: /,
      bad,
    )
  assert.deepEqual(await problems('', ['validation.egress.allow=["127.0.0.1:80", "[::1]:80", "10.0.0.0/8"]']), [])
})
