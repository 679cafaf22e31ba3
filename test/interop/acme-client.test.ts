import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { needProgram, run } from '../support/program.ts'
import { openWorld, type World } from './world.ts'

/** The stock npm client runs in a process of its own, so that it gets its trust the way its users give it. */
async function acmeClient(world: World, story: string): Promise<string> {
  const ran = await run(process.execPath, [join(import.meta.dirname, 'acme-client-story.mjs'), story], {
    cwd: join(import.meta.dirname, '../..'),
    env: {
      ...world.env,
      NODE_EXTRA_CA_CERTS: world.rootPath,
      DIRECTORY: world.directoryUrl,
      HTTP_PORT: String(world.httpPort),
      OUT: world.folder,
    },
  })
  assert.equal(ran.code, 0, `${ran.stdout}\n${ran.stderr}`)
  return ran.stdout
}

test('npm acme-client issues, renews, rolls its account key and revokes', async (t) => {
  const world = await openWorld(t)
  const told = JSON.parse(await acmeClient(world, 'whole-life')) as { serials: string[] }
  assert.equal(new Set(told.serials).size, 3)
  const leaf = new X509Certificate(await readFile(join(world.folder, 'last.pem')))
  assert.equal(leaf.subjectAltName, 'DNS:npm.test')
  if (!needProgram(t, 'openssl')) return
  const listing = await world.crlListing(leaf.serialNumber)
  assert.match(listing, new RegExp(`Serial Number: ${leaf.serialNumber}[\\s\\S]*Cessation Of Operation`))
})

test('npm acme-client gets a wildcard by dns-01', async (t) => {
  const world = await openWorld(t)
  await acmeClient(world, 'wildcard')
  assert.equal(
    new X509Certificate(await readFile(join(world.folder, 'last.pem'))).subjectAltName,
    'DNS:*.npm.test, DNS:npm.test',
  )
})

test('npm acme-client passes while half of its nonces is refused and validations are delayed (chaos)', async (t) => {
  const world = await openWorld(t, ['chaos.badNoncePercent=50', 'chaos.validationDelay=1s'])
  await acmeClient(world, 'issue')
})
