import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { findProgram, needProgram, type Ran, run } from '../support/program.ts'
import { expectSuccess, openWorld, serialOf, verifyWithOpenssl, type World } from './world.ts'

function lego(world: World, program: string, options: readonly string[], ...command: string[]): Promise<Ran> {
  const common = ['--server', world.directoryUrl, '--accept-tos', '--email', 'ops@corp.test', '--path', world.folder]
  return run(program, [...common, ...options, ...command], {
    env: { ...world.env, EXEC_PATH: world.hook, EXEC_PROPAGATION_TIMEOUT: '10', EXEC_SEQUENCE_INTERVAL: '1' },
  })
}

const chainPath = (world: World, name: string): string => join(world.folder, 'certificates', `${name}.crt`)

test('lego issues by http-01, renews with the same key, and revokes; the serial is on the CRL', async (t) => {
  const program = needProgram(t, 'lego')
  if (!program || !needProgram(t, 'openssl')) return
  const world = await openWorld(t)
  const http = ['--http', '--http.port', `127.0.0.1:${world.httpPort}`, '-d', 'one.test', '-d', 'two.test']
  expectSuccess(await lego(world, program, http, 'run'), 'lego run')
  await verifyWithOpenssl(world, chainPath(world, 'one.test'))
  const first = await serialOf(chainPath(world, 'one.test'))
  expectSuccess(
    await lego(world, program, http, 'renew', '--days', '3650', '--reuse-key', '--no-random-sleep'),
    'lego renew',
  )
  const second = await serialOf(chainPath(world, 'one.test'))
  assert.notEqual(second, first)
  expectSuccess(await lego(world, program, ['-d', 'one.test'], 'revoke', '--keep', '--reason', '4'), 'lego revoke')
  assert.match(await world.crlListing(second), new RegExp(`Serial Number: ${second}[\\s\\S]*Superseded`))
})

test('lego gets a wildcard by dns-01', async (t) => {
  const program = needProgram(t, 'lego')
  if (!program || !needProgram(t, 'openssl')) return
  const world = await openWorld(t)
  const dns = [
    '--dns',
    'exec',
    '--dns.propagation-wait',
    '1s',
    '--dns.resolvers',
    world.dns.resolver,
    '-d',
    '*.wild.test',
    '-d',
    'wild.test',
  ]
  expectSuccess(await lego(world, program, dns, 'run'), 'lego run')
  await verifyWithOpenssl(world, chainPath(world, '_.wild.test'))
})

test('lego issues by tls-alpn-01', async (t) => {
  const program = needProgram(t, 'lego')
  if (!program || !needProgram(t, 'openssl')) return
  const world = await openWorld(t)
  expectSuccess(
    await lego(world, program, ['--tls', '--tls.port', `127.0.0.1:${world.tlsPort}`, '-d', 'alpn.test'], 'run'),
    'lego run',
  )
  await verifyWithOpenssl(world, chainPath(world, 'alpn.test'))
})

test('lego gets a certificate for an address by http-01 and by tls-alpn-01 (RFC 8738)', async (t) => {
  const program = needProgram(t, 'lego')
  if (!program || !needProgram(t, 'openssl')) return
  // Debian's 4.9 sends addresses as names; see the next test.
  if (isBeforeRfc8738((await run(program, ['--version'])).stdout)) return t.skip('lego with RFC 8738 is not installed')
  const world = await openWorld(t)
  expectSuccess(
    await lego(world, program, ['--http', '--http.port', `127.0.0.1:${world.httpPort}`, '-d', '127.0.0.1'], 'run'),
    'lego by http-01',
  )
  await verifyWithOpenssl(world, chainPath(world, '127.0.0.1'))
  expectSuccess(
    await lego(world, program, ['--tls', '--tls.port', `127.0.0.2:${world.tlsPort}`, '-d', '127.0.0.2'], 'run'),
    'lego by tls-alpn-01',
  )
  const shown = await run('openssl', ['x509', '-in', chainPath(world, '127.0.0.2'), '-noout', '-ext', 'subjectAltName'])
  assert.match(shown.stdout, /IP Address:127\.0\.0\.2/)
})

test('CQ-O09 an older lego that sends an address as a dns name is told to use type ip', async (t) => {
  const old =
    findProgram('lego') === '/usr/bin/lego' || process.env['CHANCERY_TEST_NO_SKIP'] === '1'
      ? '/usr/bin/lego'
      : undefined
  if (old === undefined) return t.skip('lego 4.9 is not installed')
  const world = await openWorld(t)
  const ran = await lego(world, old, ['--http', '--http.port', `127.0.0.1:${world.httpPort}`, '-d', '127.0.0.1'], 'run')
  assert.notEqual(ran.code, 0)
  assert.match(ran.stdout + ran.stderr, /rejectedIdentifier[\s\S]*type "?ip"?/)
})

test('lego with an external account key', async (t) => {
  const program = needProgram(t, 'lego')
  if (!program) return
  const world = await openWorld(t, ['directories.default.externalAccount=required'])
  const eab = await world.createEabKey()
  const options = [
    '--eab',
    '--kid',
    eab.keyId,
    '--hmac',
    eab.macKey,
    '--http',
    '--http.port',
    `127.0.0.1:${world.httpPort}`,
    '-d',
    'bound.test',
  ]
  expectSuccess(await lego(world, program, options, 'run'), 'lego run')
  assert.match(await readFile(chainPath(world, 'bound.test'), 'utf8'), /BEGIN CERTIFICATE/)
})

test('lego gets names that were granted to its external account key, a wildcard among them, without a challenge', async (t) => {
  const program = needProgram(t, 'lego')
  if (!program) return
  const world = await openWorld(t, ['directories.default.externalAccount=required'])
  const { keyId, macKey } = await world.createEabKey()
  await world.grant('granted.test', keyId)
  await world.grant('*.granted.test', keyId)
  // Nobody listens where validation would look.
  const options = ['--eab', '--kid', keyId, '--hmac', macKey, '--http', '--http.port', '127.0.0.1:0']
  const names = ['-d', 'granted.test', '-d', '*.granted.test']
  expectSuccess(await lego(world, program, [...options, ...names], 'run'), 'lego run')
  assert.match(await readFile(chainPath(world, 'granted.test'), 'utf8'), /BEGIN CERTIFICATE/)
})

test('lego passes while half of its nonces is refused and validations are delayed (chaos)', async (t) => {
  const program = needProgram(t, 'lego')
  if (!program) return
  const world = await openWorld(t, ['chaos.badNoncePercent=50', 'chaos.validationDelay=1s'])
  expectSuccess(
    await lego(world, program, ['--http', '--http.port', `127.0.0.1:${world.httpPort}`, '-d', 'chaos.test'], 'run'),
    'lego run',
  )
})

/** Debian's build of 4.9.1 calls itself `dev`; identifiers of type `ip` came with 4.11. */
function isBeforeRfc8738(version: string): boolean {
  const [, minor] = /version v?4\.(\d+)/.exec(version) ?? []
  return minor === undefined || Number(minor) < 11
}
