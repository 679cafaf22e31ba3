import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { needProgram, run } from '../support/program.ts'
import { expectSuccess, openWorld, serialOf, verifyWithOpenssl, type World } from './world.ts'

function certbot(world: World, verb: string, ...args: string[]): ReturnType<typeof run> {
  const folders = [
    '--config-dir',
    `${world.folder}/c`,
    '--work-dir',
    `${world.folder}/w`,
    '--logs-dir',
    `${world.folder}/l`,
  ]
  return run('certbot', [verb, '--server', world.directoryUrl, ...folders, '-n', ...args], {
    env: world.env,
    cwd: world.folder,
  })
}

const REGISTER = ['--agree-tos', '-m', 'ops@corp.test']

test('certbot issues by standalone http-01, renews, and revokes; the serial is on the CRL', async (t) => {
  if (!needProgram(t, 'certbot') || !needProgram(t, 'openssl')) return
  const world = await openWorld(t)
  const standalone = ['--standalone', '--http-01-port', String(world.httpPort), ...REGISTER]
  expectSuccess(await certbot(world, 'certonly', ...standalone, '-d', 'one.test', '-d', 'two.test'), 'certbot certonly')
  const live = join(world.folder, 'c/live/one.test')
  await verifyWithOpenssl(world, join(live, 'fullchain.pem'))
  const first = await serialOf(join(live, 'cert.pem'))

  expectSuccess(await certbot(world, 'renew', '--force-renewal', '--no-random-sleep-on-renew'), 'certbot renew')
  const second = await serialOf(join(live, 'cert.pem'))
  assert.notEqual(second, first)
  // CQ-C01: certbot itself wants leaf and issuer in the chain.
  assert.equal((await readFile(join(live, 'fullchain.pem'), 'utf8')).match(/BEGIN CERTIFICATE/g)?.length, 2)

  expectSuccess(
    await certbot(
      world,
      'revoke',
      '--cert-path',
      join(live, 'cert.pem'),
      '--reason',
      'keycompromise',
      '--no-delete-after-revoke',
    ),
    'certbot revoke',
  )
  assert.match(await world.crlListing(second), new RegExp(`Serial Number: ${second}[\\s\\S]*Key Compromise`))
})

test('certbot gets a wildcard and its base name by dns-01 through a manual hook (CQ-O06)', async (t) => {
  if (!needProgram(t, 'certbot') || !needProgram(t, 'openssl')) return
  const world = await openWorld(t)
  const manual = [
    '--manual',
    '--preferred-challenges',
    'dns',
    '--manual-auth-hook',
    world.hook,
    '--manual-cleanup-hook',
    world.hook,
  ]
  expectSuccess(
    await certbot(world, 'certonly', ...manual, ...REGISTER, '-d', 'wild.test', '-d', '*.wild.test'),
    'certbot certonly',
  )
  const chain = join(world.folder, 'c/live/wild.test/fullchain.pem')
  await verifyWithOpenssl(world, chain)
  const shown = await run('openssl', ['x509', '-in', chain, '-noout', '-ext', 'subjectAltName'])
  assert.match(shown.stdout, /DNS:\*\.wild\.test/)
  assert.match(shown.stdout, /DNS:wild\.test/)
})

test('certbot gets names that were granted to its external account key, a wildcard among them, without a challenge', async (t) => {
  if (!needProgram(t, 'certbot')) return
  const world = await openWorld(t, ['directories.default.externalAccount=required'])
  const { keyId, macKey } = await world.createEabKey()
  await world.grant('granted.test', keyId)
  await world.grant('*.granted.test', keyId)
  const binding = ['--eab-kid', keyId, '--eab-hmac-key', macKey]
  // The hook would fail if it were run.
  const manual = ['--manual', '--preferred-challenges', 'dns,http', '--manual-auth-hook', '/bin/false']
  expectSuccess(
    await certbot(world, 'certonly', ...manual, ...REGISTER, ...binding, '-d', 'granted.test', '-d', '*.granted.test'),
    'certbot certonly',
  )
  assert.match(await readFile(join(world.folder, 'c/live/granted.test/cert.pem'), 'utf8'), /BEGIN CERTIFICATE/)
})

test('certbot registers with an external account key, and a second account cannot use it again', async (t) => {
  if (!needProgram(t, 'certbot')) return
  const world = await openWorld(t, ['directories.default.externalAccount=required'])
  const refused = await certbot(world, 'register', ...REGISTER)
  assert.notEqual(refused.code, 0)
  const eab = await world.createEabKey()
  const binding = ['--eab-kid', eab.keyId, '--eab-hmac-key', eab.macKey]
  expectSuccess(await certbot(world, 'register', ...REGISTER, ...binding), 'certbot register')
  const other: World = { ...world, folder: join(world.folder, 'other') }
  const again = await run(
    'certbot',
    [
      'register',
      '--server',
      world.directoryUrl,
      '--config-dir',
      `${other.folder}/c`,
      '--work-dir',
      `${other.folder}/w`,
      '--logs-dir',
      `${other.folder}/l`,
      '-n',
      ...REGISTER,
      ...binding,
    ],
    { env: world.env },
  )
  assert.notEqual(again.code, 0)
})

// Not with refused nonces: the acme library of Debian's certbot 2.1 crashes on a badNonce (CQ-N02).
test('certbot passes while validations are delayed (chaos)', async (t) => {
  if (!needProgram(t, 'certbot')) return
  const world = await openWorld(t, ['chaos.validationDelay=1s'])
  const standalone = ['--standalone', '--http-01-port', String(world.httpPort), ...REGISTER]
  expectSuccess(await certbot(world, 'certonly', ...standalone, '-d', 'chaos.test'), 'certbot certonly')
})
