import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { needProgram, type Ran, run } from '../support/program.ts'
import { expectSuccess, openWorld, serialOf, type World } from './world.ts'

/** A window that begins at once: half of an hour's life is spent before the certificate is born. */
const OPEN_WINDOW = [
  'profiles.server.lifetime=1h',
  'profiles.server.backdate=50m',
  'profiles.server.renewal.after=0.5',
  'profiles.server.renewal.within=0.01',
]

interface Client {
  readonly issue: () => Promise<Ran>
  /** What a timer runs twice a day: renews if it is time. */
  readonly renew: () => Promise<Ran>
  /** Revokes the certificate, and keeps it where it is. */
  readonly revoke: () => Promise<Ran>
  readonly serial: () => Promise<string>
  /** Takes the time away that the client was told to wait before it asks again. */
  readonly endWait: () => Promise<void>
}

function lego(world: World, program: string): Client {
  const options = ['--server', world.directoryUrl, '--accept-tos', '--email', 'ops@corp.test', '--path', world.folder]
  const http = ['--http', '--http.port', `127.0.0.1:${world.httpPort}`, '-d', 'ari.test']
  const call = (...command: string[]) => run(program, [...options, ...http, ...command], { env: world.env })
  return {
    issue: () => call('run'),
    renew: () => call('renew', '--days', '0', '--no-random-sleep'),
    revoke: () => call('revoke', '--keep', '--reason', '4'),
    serial: () => serialOf(join(world.folder, 'certificates/ari.test.crt')),
    endWait: async () => undefined,
  }
}

function certbot(world: World, program: string): Client {
  const folders = ['--config-dir', 'c', '--work-dir', 'w', '--logs-dir', 'l'].map((value) =>
    value.startsWith('--') ? value : join(world.folder, value),
  )
  const call = (verb: string, ...args: string[]) =>
    run(program, [verb, '--server', world.directoryUrl, ...folders, '-n', ...args], { env: world.env })
  const http = ['--standalone', '--http-01-port', String(world.httpPort), '--agree-tos', '-m', 'ops@corp.test']
  return {
    issue: () => call('certonly', ...http, '-d', 'ari.test'),
    renew: () => call('renew', '--no-random-sleep-on-renew'),
    revoke: () =>
      call('revoke', '--cert-path', join(world.folder, 'c/live/ari.test/cert.pem'), '--no-delete-after-revoke'),
    serial: () => serialOf(join(world.folder, 'c/live/ari.test/cert.pem')),
    async endWait() {
      const path = join(world.folder, 'c/renewal/ari.test.conf')
      const settings = await readFile(path, 'utf8')
      assert.match(settings, /^ari_retry_after = /m, 'certbot did not ask')
      await writeFile(path, settings.replace(/^ari_retry_after = .*$/m, 'ari_retry_after = 2020-01-01T00:00:00'))
    },
  }
}

const CLIENTS = [
  { name: 'lego', program: 'lego', of: lego, saysWhatItReplaces: true },
  // Debian's certbot is older than renewal information.
  { name: 'certbot', program: 'certbot5', of: certbot, saysWhatItReplaces: false },
]

async function needClient(t: TestContext, { program, of }: (typeof CLIENTS)[number], set: readonly string[] = []) {
  const path = needProgram(t, program)
  if (path === undefined || !needProgram(t, 'openssl')) return undefined
  if (program === 'lego' && isBeforeRenewalInfo((await run(path, ['--version'])).stdout)) {
    t.skip('lego with renewal information is not installed')
    return undefined
  }
  const world = await openWorld(t, set)
  const client = of(world, path)
  expectSuccess(await client.issue(), 'first issuance')
  return { world, client }
}

for (const kind of CLIENTS) {
  test(`${kind.name} with renewal information waits for its window, and renews at once when the certificate was revoked`, async (t) => {
    // Days, so that lego's own `--days 0` never says that it is time.
    const made = await needClient(t, kind, ['profiles.server.lifetime=3d'])
    if (made === undefined) return
    const { client } = made
    const first = await client.serial()
    expectSuccess(await client.renew(), 'renewal before the window')
    assert.equal(await client.serial(), first, 'it did not wait')
    expectSuccess(await client.revoke(), 'revocation')
    await client.endWait()
    expectSuccess(await client.renew(), 'renewal after the revocation')
    assert.notEqual(await client.serial(), first, 'it did not renew')
  })

  test(`${kind.name} with renewal information renews in its window`, async (t) => {
    const made = await needClient(t, kind, OPEN_WINDOW)
    if (made === undefined) return
    const { client, world } = made
    const first = await client.serial()
    expectSuccess(await client.renew(), 'renewal in the window')
    assert.notEqual(await client.serial(), first)
    if (kind.saysWhatItReplaces) assert.match(world.chancery.stdout(), /"event":"order\.created"[^\n]*"replaces":"/)
  })
}

/** Debian's is. */
function isBeforeRenewalInfo(version: string): boolean {
  const [, minor] = /version v?4\.(\d+)/.exec(version) ?? []
  return minor === undefined || Number(minor) < 17
}
