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
  const { version, ...snapshot } = profileFrom({}).snapshot()
  assert.match(version ?? '', /^[0-9a-f]{16}$/)
  assert.deepEqual(snapshot, {
    name: 'p',
    type: 'server',
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
  config.extendedKeyUsages?.push('serverAuth')
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
    [{ extendedKeyUsages: ['codeSigning'] }, /codeSigning is not for type server/],
    [{ type: 'client', extendedKeyUsages: ['clientAuth', 'serverAuth'] }, /serverAuth is not for type client/],
    [
      { type: 'code-signing', extendedKeyUsages: ['codeSigning', 'serverAuth'] },
      /serverAuth is not for type code-signing/,
    ],
    [{ certificatePolicies: ['2.5.29.32.0'] }, /anyPolicy/],
    [{ certificatePolicies: ['2.23.140.1.2.1'] }, /reserved/],
    [{ certificatePolicies: ['1.3.6.1.4.1.99999.1', { oid: '1.3.6.1.4.1.99999.1' }] }, /twice/],
    [{ certificatePolicies: ['3.1.2'] }, /no object identifier/],
    [{ certificatePolicies: ['1.2.03'] }, /no object identifier/],
    [{ certificatePolicies: [`1.2.${'9'.repeat(200)}`] }, /too long/],
    [{ certificatePolicies: [{ oid: '1.3.6.1.4.1.99999.1', cps: 'ftp://a.test/' }] }, /practice statement/],
    [{ noRevAvail: '11d' }, /profiles\.p\.noRevAvail/],
    [{ noRevAvail: '1d', mustStaple: true }, /profiles\.p\.mustStaple/],
    [{ type: 'client', mustStaple: true }, /profiles\.p\.mustStaple/],
    [{ otherNames: true }, /profiles\.p\.otherNames/],
  ] as const) {
    assert.throws(profileFrom(given).snapshot, message)
  }
})

test('each type brings its own key purposes', () => {
  for (const [type, usages] of [
    ['server', ['serverAuth']],
    ['client', ['clientAuth']],
    ['peer', ['serverAuth', 'clientAuth']],
    ['workload', ['serverAuth', 'clientAuth']],
    ['code-signing', ['codeSigning']],
    ['smime', ['emailProtection']],
  ] as const) {
    assert.deepEqual(profileFrom({ type }).snapshot().extendedKeyUsages, usages)
  }
})

test('a version is of what the profile says, and of nothing else', () => {
  const version = (given: Record<string, unknown>): string | undefined => profileFrom(given).snapshot().version
  assert.equal(version({ lifetime: '1h', backdate: '1m' }), version({ backdate: 60, lifetime: 3600 }))
  const versions = [
    {},
    { lifetime: '1h' },
    { type: 'peer' },
    { noRevAvail: '1h' },
    { certificatePolicies: '1.3.6.1.4.1.99999.1' },
    { certificatePolicies: { oid: '1.3.6.1.4.1.99999.1', cps: 'https://a.test/cps' } },
    { subject: 'commonName' },
  ].map(version)
  assert.equal(new Set(versions).size, versions.length)
})
