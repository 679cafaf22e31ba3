import assert from 'node:assert/strict'
import { test } from 'node:test'
import { configSchema } from '../config/schema.ts'
import { profileSnapshot } from './profile.ts'

function profileFrom(given: Record<string, unknown>) {
  const config = configSchema.parse({ profiles: { p: given } }).profiles['p']
  assert.ok(config)
  return { config, snapshot: () => profileSnapshot('p', config) }
}

test('a profile without settings lives a day and may not be longer', () => {
  assert.deepEqual(profileFrom({}).snapshot(), {
    name: 'p',
    lifetimeSeconds: 86_400,
    maxLifetimeSeconds: 86_400,
    backdateSeconds: 300,
    extendedKeyUsages: ['serverAuth'],
    subject: 'empty',
    issuer: 'default',
  })
})

test('KF-C05 the snapshot is a copy: changing the configuration afterwards changes nothing in it', () => {
  const { config, snapshot } = profileFrom({ extendedKeyUsages: ['clientAuth'] })
  const taken = snapshot()
  config.lifetime = 1
  config.extendedKeyUsages.push('serverAuth')
  assert.equal(taken.lifetimeSeconds, 86_400)
  assert.deepEqual(taken.extendedKeyUsages, ['clientAuth'])
  assert.throws(() => Object.assign(taken, { lifetimeSeconds: 1 }), TypeError)
})

test('profiles that cannot work stop the start with the name of the key', () => {
  for (const [given, message] of [
    [{ lifetime: '2d', maxLifetime: '1d' }, /profiles\.p\.maxLifetime/],
    [{ lifetime: '5m', backdate: '5m' }, /profiles\.p\.backdate/],
    [{ lifetime: '30d', backdate: '3d' }, /profiles\.p\.backdate/],
    [{ extendedKeyUsages: [] }, /profiles\.p\.extendedKeyUsages/],
  ] as const) {
    assert.throws(profileFrom(given).snapshot, message)
  }
})
