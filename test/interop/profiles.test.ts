import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { decodePem } from '../../src/lib/pem.ts'
import { parseCertificate } from '../../src/x509/certificate.ts'
import { needProgram, type Ran, run } from '../support/program.ts'
import { expectSuccess, openWorld, type World } from './world.ts'

/** A directory whose default lives a day, and that also offers an hour. */
const SET = ['profiles.server.lifetime=1d', 'profiles.hour.lifetime=1h', 'directories.default.profiles=hour']

async function secondsOf(path: string): Promise<number> {
  const [leaf] = decodePem(await readFile(path, 'utf8'))
  assert.ok(leaf)
  const { notBefore, notAfter } = parseCertificate(leaf.der)
  return (notAfter.getTime() - notBefore.getTime()) / 1000 + 1
}

function lego(world: World, program: string, name: string, ...options: string[]): Promise<Ran> {
  const common = ['--server', world.directoryUrl, '--accept-tos', '--email', 'ops@corp.test', '--path', world.folder]
  const http = ['--http', '--http.port', `127.0.0.1:${world.httpPort}`, '-d', name]
  return run(program, [...common, ...http, 'run', ...options], { env: world.env })
}

/** Debian's build calls itself `dev`; profiles came with 4.20. */
async function needLego(t: TestContext): Promise<string | undefined> {
  const program = needProgram(t, 'lego')
  if (program === undefined) return undefined
  const [, minor] = /version v?4\.(\d+)/.exec((await run(program, ['--version'])).stdout) ?? []
  if (minor !== undefined && Number(minor) >= 20) return program
  t.skip('lego with profiles is not installed')
  return undefined
}

test('lego gets the profile it asks for, the default one without, and a reason for one that is not there', async (t) => {
  const program = await needLego(t)
  if (program === undefined) return
  const world = await openWorld(t, SET)
  const path = (name: string): string => join(world.folder, 'certificates', `${name}.crt`)
  expectSuccess(await lego(world, program, 'plain.test'), 'lego run')
  assert.equal(await secondsOf(path('plain.test')), 86_400)
  expectSuccess(await lego(world, program, 'hour.test', '--profile', 'hour'), 'lego run --profile')
  assert.equal(await secondsOf(path('hour.test')), 3_600)
  const refused = await lego(world, program, 'week.test', '--profile', 'week')
  assert.notEqual(refused.code, 0)
  assert.match(refused.stdout + refused.stderr, /invalidProfile[\s\S]*server, hour/)
})

test('certbot prefers a profile where it is offered, goes without where it is not, and stops where it needs it', async (t) => {
  const program = needProgram(t, 'certbot5')
  if (program === undefined) return
  const world = await openWorld(t, SET)
  const folders = ['c', 'w', 'l'].map((name) => join(world.folder, name)) as [string, string, string]
  const certbot = (name: string, ...options: string[]): Promise<Ran> =>
    run(
      program,
      [
        ...['certonly', '--server', world.directoryUrl, '-n', '--agree-tos', '-m', 'ops@corp.test'],
        ...['--config-dir', folders[0], '--work-dir', folders[1], '--logs-dir', folders[2]],
        ...['--standalone', '--http-01-port', String(world.httpPort), '-d', name, ...options],
      ],
      { env: world.env },
    )
  const path = (name: string): string => join(world.folder, 'c/live', name, 'cert.pem')
  expectSuccess(await certbot('hour.test', '--preferred-profile', 'hour'), 'certbot --preferred-profile')
  assert.equal(await secondsOf(path('hour.test')), 3_600)
  expectSuccess(await certbot('week.test', '--preferred-profile', 'week'), 'certbot with a profile that is not offered')
  assert.equal(await secondsOf(path('week.test')), 86_400)
  expectSuccess(await certbot('need.test', '--required-profile', 'hour'), 'certbot --required-profile')
  assert.equal(await secondsOf(path('need.test')), 3_600)
  assert.notEqual((await certbot('no.test', '--required-profile', 'week')).code, 0)
})
