import assert from 'node:assert/strict'
import { test } from 'node:test'
import { configSchema } from '../../config/schema.ts'
import type { Policy } from '../decision.ts'
import { readPolicy } from '../language/read-policy.ts'
import { createPolicy } from '../policy.ts'

const NOW = new Date('2026-01-01T12:00:00Z')
const PROFILES = new Map([
  ['server', { lifetimeSeconds: 86_400, maxLifetimeSeconds: 86_400, extendedKeyUsages: ['serverAuth'] }],
])

function ask(policy: Policy, scope: readonly string[] | undefined, name: string) {
  const externalKey = { id: 'eab_1', attributes: {}, groups: [], ...(scope && { scope }) }
  return policy.decide({
    requester: { kind: 'account', directory: 'default', accountId: 'acc_1', externalKey },
    stage: 'order',
    profile: 'server',
    names: [{ type: 'dns', value: name }],
    at: NOW,
  })
}

test('a key that is for some rules gets nothing from others, and is denied by all', async () => {
  const file = `
version: 1
rules:
  - { name: ours, names: { dns: ["*.ours.test"] } }
  - { name: theirs, names: { dns: ["*.theirs.test", "*.ours.test"] } }
  - { name: never, effect: deny, names: { dns: ["root.ours.test"] } }
`
  const { policy } = await readPolicy(file, { profiles: PROFILES, now: NOW })
  for (const [scope, name, outcome] of [
    [undefined, 'a.theirs.test', 'allow'],
    [['ours'], 'a.ours.test', 'allow'],
    [['theirs'], 'a.ours.test', 'allow'],
    [['ours'], 'a.theirs.test', 'deny'],
    [['ours'], 'root.ours.test', 'deny'],
    [['our'], 'a.ours.test', 'deny'],
    [[], 'a.ours.test', 'deny'],
  ] as const) {
    assert.equal((await ask(policy, scope, name)).outcome, outcome, `${scope} ${name}`)
  }
  const allowed = await ask(policy, ['theirs'], 'a.ours.test')
  assert.equal(allowed.reasons[0]?.rule, 'theirs')
})

test('where the rules have no names, a key that is for some of them gets nothing', async () => {
  const config = configSchema.parse({ policies: { default: { allow: { dns: ['**.ours.test'] } } } }).policies['default']
  assert.ok(config)
  const policy = createPolicy({ config, name: 'default', profiles: PROFILES })
  assert.equal((await ask(policy, undefined, 'a.ours.test')).outcome, 'allow')
  assert.equal((await ask(policy, ['default'], 'a.ours.test')).outcome, 'deny')
})
