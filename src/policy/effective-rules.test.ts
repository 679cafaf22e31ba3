import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { parse } from 'yaml'
import { configSchema, type PolicyConfig } from '../config/schema.ts'
import { effectiveRules } from './effective-rules.ts'
import { createPolicy } from './policy.ts'

function configured(policy: object): PolicyConfig {
  return configSchema.parse({ policies: { default: policy } }).policies['default'] ?? assert.fail()
}

const versionOf = (policy: object, name = 'default'): string => effectiveRules(name, configured(policy)).version

test('the version of a configured policy is the SHA-256 of rules that can be used in a configuration again', () => {
  const { text, version } = effectiveRules('default', configured({ allow: { dns: ['**.a.test'] } }))
  assert.equal(version, createHash('sha256').update(text).digest('hex'))
  const again = configSchema.parse(parse(text)).policies['default'] ?? assert.fail()
  assert.equal(effectiveRules('default', again).version, version)
})

test('every setting that a decision depends on changes the version, and the way it is written does not', () => {
  const plain = versionOf({ allow: { dns: ['a.test'] } })
  assert.equal(versionOf({ deny: {}, allow: { wildcards: true, dns: 'a.test' } }), plain)
  const others = [
    versionOf({ allow: { dns: ['a.test'] } }, 'other'),
    ...[
      { allow: { dns: ['b.test'] } },
      { allow: { dns: ['a.test'], wildcards: false } },
      { allow: { dns: ['a.test'], ip: ['10.0.0.0/8'] } },
      { allow: { dns: ['a.test'], uri: ['spiffe://a.test/x'] } },
      { allow: { dns: ['a.test'], email: ['*@a.test'] } },
      { allow: { dns: ['a.test'] }, deny: { dns: ['x.a.test'] } },
      { allow: { dns: ['a.test'] }, deny: { ip: ['10.0.0.0/8'] } },
      { allow: { dns: ['a.test'] }, deny: { uri: ['spiffe://a.test/x'] } },
      { allow: { dns: ['a.test'] }, deny: { email: ['*@a.test'] } },
      { allow: { dns: ['a.test'] }, keys: { algorithms: ['P-256'] } },
      { allow: { dns: ['a.test'] }, keys: { minRsaBits: 3072 } },
      { allow: { dns: ['a.test'] }, keys: { maxRsaBits: 8192 } },
      { allow: { dns: ['a.test'] }, profiles: ['server'] },
    ].map((policy) => versionOf(policy)),
  ]
  assert.equal(new Set([plain, ...others]).size, others.length + 1)
})

test('each decision carries the version, whether it allows, refuses or cannot decide', async () => {
  const config = configured({ allow: { dns: ['a.test'] } })
  const facts = { lifetimeSeconds: 60, maxLifetimeSeconds: 60, extendedKeyUsages: ['serverAuth'] }
  const policy = createPolicy({ config, name: 'default', profiles: new Map([['server', facts]]) })
  const ask = (names: readonly unknown[]) =>
    policy.decide({
      requester: { kind: 'account', directory: 'default', accountId: 'acc_1' },
      stage: 'order',
      profile: 'server',
      names: names as [],
      at: new Date(0),
    })
  const { version } = effectiveRules('default', config)
  const dns = (value: string) => ({ type: 'dns', value })
  for (const [names, code] of [
    [[dns('a.test')], 'allowed'],
    [[dns('b.test')], 'name-not-allowed'],
    [[undefined], 'unavailable'],
  ] as const) {
    const decision = await ask(names)
    assert.deepEqual([decision.reasons[0]?.code, decision.version], [code, version])
  }
})
