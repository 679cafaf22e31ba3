import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Identifier } from '../lib/identifier.ts'
import type { PolicyRequest } from './decision.ts'
import { createServerPolicy } from './server-policy.ts'

const OWN: readonly Identifier[] = [
  { type: 'dns', value: 'ca.corp.example' },
  { type: 'ip', value: '127.0.0.1' },
]
const whole: PolicyRequest = {
  requester: { kind: 'server' },
  stage: 'order',
  profile: 'server',
  names: OWN,
  at: new Date(0),
}

const outcome = async (request: Partial<PolicyRequest>, names = OWN): Promise<string> =>
  (await createServerPolicy(names).decide({ ...whole, ...request })).outcome

test('the server may have exactly its own names, whatever their order', async () => {
  assert.equal(await outcome({}), 'allow')
  assert.equal(await outcome({ names: [...OWN].reverse() }), 'allow')
  assert.equal(await outcome({ stage: 'issuance', extendedKeyUsages: ['serverAuth'] }), 'allow')
  assert.equal(await outcome({ stage: 'issuance', extendedKeyUsages: ['1.3.6.1.5.5.7.3.1'] }), 'allow')
})

test('a name more, a name less, or another kind of name is denied', async () => {
  assert.equal(await outcome({ names: [...OWN, { type: 'dns', value: 'b.test' }] }), 'deny')
  assert.equal(await outcome({ names: [...OWN, { type: 'dns', value: '127.0.0.1' }] }), 'deny')
  assert.equal(await outcome({ names: [...OWN, { type: 'uri', value: 'ca.corp.example' }] }), 'deny')
  assert.equal(await outcome({ names: OWN.slice(1) }), 'deny')
  assert.equal(await outcome({ names: [OWN[0]!, OWN[0]!] }), 'deny')
  assert.equal(await outcome({ names: [] }), 'deny')
  assert.equal(await outcome({ names: [] }, []), 'deny')
})

test('an account may have nothing by the rule of the server', async () => {
  assert.equal(await outcome({ requester: { kind: 'account', directory: 'default', accountId: 'acc_1' } }), 'deny')
})

test('the server certificate is for server authentication alone', async () => {
  for (const extendedKeyUsages of [[], ['clientAuth'], ['serverAuth', 'clientAuth']]) {
    assert.equal(await outcome({ stage: 'issuance', extendedKeyUsages }), 'deny', extendedKeyUsages.join())
  }
  assert.equal(await outcome({ stage: 'issuance' }), 'deny')
})

test('what breaks inside is a denial', async () => {
  const decision = await createServerPolicy(OWN).decide({ names: [undefined] } as unknown as PolicyRequest)
  assert.deepEqual([decision.outcome, decision.reasons[0]?.code], ['deny', 'unavailable'])
})
