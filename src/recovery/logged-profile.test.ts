import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PROFILE } from '../../test/support/order-facts.ts'
import type { ProfileSnapshot } from '../store/records.ts'
import { Fields } from './fields.ts'
import { parseProfile } from './logged-profile.ts'

const FULL: Required<ProfileSnapshot> = {
  ...PROFILE,
  version: '0123456789abcdef',
  type: 'workload',
  extendedKeyUsages: ['serverAuth', 'clientAuth'],
  subject: 'attributes',
  subjectAttributes: [{ type: 'OU', value: 'Söhne' }],
  addedNames: [
    { type: 'uri', value: 'spiffe://corp.test/a' },
    { type: 'email', value: 'ann@corp.test' },
  ],
  certificatePolicies: [{ oid: '1.3.6.1.4.1.55555.1' }, { oid: '1.3.6.1.4.1.55555.2', cps: 'https://corp.test/cps' }],
  noRevAvailSeconds: 3600,
  mustStaple: true,
  otherNames: true,
  renewal: { after: 0.5, within: 0.1 },
}

const read = (value: unknown): ProfileSnapshot => parseProfile(new Fields(JSON.parse(JSON.stringify(value))))

test('a profile comes back from the log as it was written, with all that it can have and with the least', () => {
  assert.deepEqual(read(FULL), FULL)
  assert.deepEqual(read(PROFILE), PROFILE)
})

test('KF-E12 a profile that this version does not understand is refused, and not read as another', () => {
  for (const change of [
    { type: 'router' },
    { subject: 'everything' },
    { extendedKeyUsages: ['timeStamping'] },
    { subjectAttributes: [{ type: 'DC', value: 'x' }] },
    { addedNames: [{ type: 'other', value: 'x' }] },
    { certificatePolicies: [{ cps: 'https://corp.test/' }] },
    { noRevAvailSeconds: -1 },
    { renewal: { after: 2, within: 0.1 } },
  ])
    assert.throws(() => read({ ...FULL, ...change }), JSON.stringify(change))
})
