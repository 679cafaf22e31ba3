import assert from 'node:assert/strict'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { needProgram, run } from '../support/program.ts'
import { expectSuccess, openWorld, serialOf, verifyWithOpenssl } from './world.ts'

/** uacme has no option for a trust anchor: it gets the system's store, in a mount namespace where that is our root. */
const WITH_ROOT_AS_SYSTEM_STORE = 'mount --bind "$1" /etc/ssl/certs/ca-certificates.crt && shift && exec uacme "$@"'

test('uacme registers, issues by dns-01, rolls its account key, issues again and revokes', async (t) => {
  if (!needProgram(t, 'uacme') || !needProgram(t, 'unshare') || !needProgram(t, 'openssl')) return
  if (process.getuid?.() !== 0) return t.skip('root is needed to give uacme a trust store')
  const world = await openWorld(t)
  const common = ['-a', world.directoryUrl, '-c', world.folder, '-y', '-h', world.hook]
  const uacme = (...args: string[]): ReturnType<typeof run> =>
    run('unshare', ['-m', 'sh', '-c', WITH_ROOT_AS_SYSTEM_STORE, 'uacme', world.rootPath, ...common, ...args], {
      env: world.env,
    })
  expectSuccess(await uacme('new', 'ops@corp.test'), 'uacme new')
  expectSuccess(await uacme('issue', 'uacme.test'), 'uacme issue')
  const path = join(world.folder, 'uacme.test/cert.pem')
  await verifyWithOpenssl(world, path)
  const first = await serialOf(path)
  expectSuccess(await uacme('newkey'), 'uacme newkey')
  expectSuccess(await uacme('-f', 'issue', 'uacme.test'), 'uacme issue after newkey')
  const second = await serialOf(path)
  assert.notEqual(second, first)
  expectSuccess(await uacme('revoke', path), 'uacme revoke')
  assert.match(await world.crlListing(second), new RegExp(`Serial Number: ${second}`))
  expectSuccess(await uacme('deactivate'), 'uacme deactivate')
})

test('dehydrated issues names and a wildcard by dns-01 and revokes', async (t) => {
  if (!needProgram(t, 'dehydrated') || !needProgram(t, 'openssl')) return
  const world = await openWorld(t)
  await mkdir(join(world.folder, 'wellknown'))
  const config = join(world.folder, 'config')
  await writeFile(
    config,
    [
      `CA="${world.directoryUrl}"`,
      `BASEDIR="${world.folder}"`,
      `WELLKNOWN="${world.folder}/wellknown"`,
      'CHALLENGETYPE="dns-01"',
      `HOOK="${world.hook}"`,
      'CONTACT_EMAIL=ops@corp.test',
      'KEY_ALGO=prime256v1',
    ].join('\n'),
  )
  const dehydrated = (...args: string[]): ReturnType<typeof run> =>
    run('dehydrated', ['-f', config, ...args], { env: world.env })
  expectSuccess(await dehydrated('--register', '--accept-terms'), 'dehydrated --register')
  expectSuccess(await dehydrated('-c', '-d', 'hydra.test *.hydra.test'), 'dehydrated -c')
  const path = join(world.folder, 'certs/hydra.test/fullchain.pem')
  await verifyWithOpenssl(world, path)
  assert.match(await readFile(path, 'utf8'), /^-----BEGIN CERTIFICATE-----\n/)
  const serial = await serialOf(path)
  expectSuccess(await dehydrated('--revoke', join(world.folder, 'certs/hydra.test/cert.pem')), 'dehydrated --revoke')
  assert.match(await world.crlListing(serial), new RegExp(`Serial Number: ${serial}`))
})
