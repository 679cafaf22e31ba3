import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ConfigError } from './config-error.ts'
import { applySetOption, parseSetOption } from './set-option.ts'

const CASES: [string, string[], unknown][] = [
  ['limits.enabled=false', ['limits', 'enabled'], false],
  ['validation.egress.allow=["127.0.0.0/8"]', ['validation', 'egress', 'allow'], ['127.0.0.0/8']],
  ['validation.egress.allow=[127.0.0.0/8]', ['validation', 'egress', 'allow'], ['127.0.0.0/8']],
  ['validation.egress.allow=127.0.0.0/8', ['validation', 'egress', 'allow'], '127.0.0.0/8'],
  ['validation.dns.resolvers=["127.0.0.1:5353"]', ['validation', 'dns', 'resolvers'], ['127.0.0.1:5353']],
  ['validation.dns.resolvers=[127.0.0.1:5353]', ['validation', 'dns', 'resolvers'], ['127.0.0.1:5353']],
  ['listeners.acme=[::1]:8443', ['listeners', 'acme'], '[::1]:8443'],
  ['profiles.server.lifetime=15m', ['profiles', 'server', 'lifetime'], '15m'],
  ['publicUrl=https://ca.test:8443', ['publicUrl'], 'https://ca.test:8443'],
  ['validation.dns.zones."corp.example"=10.0.0.1:53', ['validation', 'dns', 'zones', 'corp.example'], '10.0.0.1:53'],
  ['validation.dns.zones.corp\\.example=10.0.0.1:53', ['validation', 'dns', 'zones', 'corp.example'], '10.0.0.1:53'],
  ['policies.default.allow.dns=**.corp.example', ['policies', 'default', 'allow', 'dns'], '**.corp.example'],
  ['a=b=c', ['a'], 'b=c'],
  ['a=""', ['a'], ''],
  ['directories.web={profile: server}', ['directories', 'web'], { profile: 'server' }],
]

for (const [text, path, value] of CASES) {
  test(`--set ${text} is read as it is meant`, () => {
    assert.deepEqual(parseSetOption(text), { path, value })
  })
}

for (const text of [
  'a',
  '=1',
  'a..b=1',
  '.a=1',
  'a.=1',
  'a=',
  'a=null',
  'a=[1',
  'a="x" y',
  '"a=1',
  '"a"b=1',
  'a=&x y',
  '__proto__.x=1',
  'a.constructor.b=1',
]) {
  test(`--set ${text} is refused with a reason that quotes it`, () => {
    assert.throws(
      () => parseSetOption(text),
      (error) => error instanceof ConfigError && error.message.startsWith(`--set ${text}: `),
    )
  })
}

test('a later --set goes over an earlier one and over the file, and leaves its neighbours alone', () => {
  const root: Record<string, unknown> = { limits: { enabled: true, bodyBytes: 2000 } }
  applySetOption(root, parseSetOption('limits.enabled=false'))
  applySetOption(root, parseSetOption('tls.names=a.test'))
  assert.deepEqual(root, { limits: { enabled: false, bodyBytes: 2000 }, tls: { names: 'a.test' } })
  assert.throws(() => applySetOption(root, parseSetOption('limits.enabled.x=1')), /limits\.enabled is not a map/)
})
