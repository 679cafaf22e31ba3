import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readConfig } from '../config/read.ts'
import { nameScope, serverNames } from './name-scope.ts'

const scope = async (...set: string[]) => {
  const config = await readConfig({ home: '/nowhere', set })
  return nameScope(config, 'default', serverNames(config))
}

test('the first issuing CA is bound to what the default policy allows', async () => {
  const { dns, ip } = await scope()
  assert.deepEqual([...dns].sort(), ['home.arpa', 'internal', 'localhost', 'test'])
  assert.deepEqual([...ip].sort(), [
    '10.0.0.0/8',
    '127.0.0.0/8',
    '172.16.0.0/12',
    '192.168.0.0/16',
    '::1/128',
    'fc00::/7',
  ])
})

test('names of the server, patterns and single addresses are covered by the narrowest name that can say them', async () => {
  const { dns, ip } = await scope(
    'policies.default.allow={dns: [**.a.example, "*.b.*.c.example", d.example], ip: [10.1.2.3]}',
    'publicUrl=https://ca.e.example',
    'tls.names=[10.9.9.9, x.a.example]',
  )
  assert.deepEqual([...dns].sort(), ['a.example', 'c.example', 'ca.e.example', 'd.example'])
  assert.deepEqual([...ip].sort(), ['10.1.2.3/32', '10.9.9.9/32'])
})

test('policies of directories that issue elsewhere do not widen it', async () => {
  const { dns } = await scope(
    'directories.other={profile: other, policy: other}',
    'profiles.other.issuer=second',
    'policies.other.allow.dns=**.other.example',
  )
  assert.equal(dns.includes('other.example'), false)
})

test('a policy that allows any name is refused, because no constraint can say it', async () => {
  await assert.rejects(scope('policies.default.allow.dns=**'), /--no-name-constraints|not a name/i)
})

test('an issuing CA that no directory uses cannot be bound to names', async () => {
  const config = await readConfig({ home: '/nowhere' })
  assert.throws(() => nameScope(config, 'second', []), /no directory issues from second/)
})
