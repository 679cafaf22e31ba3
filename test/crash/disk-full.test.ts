import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { get } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { issueOrder, placeOrder, proveOrder } from '../support/acme-story.ts'
import { AcmeTestClient } from '../support/acme-test-client.ts'
import { type SpawnedChancery, spawnChancery } from '../support/chancery.ts'
import { startHttpTarget } from '../support/http-target.ts'
import { run } from '../support/program.ts'
import { generateTestKey } from '../support/test-keys.ts'

const HOOK = fileURLToPath(new URL('../support/kill-at.ts', import.meta.url))
/** Room for a state folder and some work. */
const DISK_MIB = 6

interface SmallDisk {
  readonly home: string
  readonly env: Readonly<Record<string, string>>
  /** Leaves no room for anything more. */
  fill(): Promise<void>
  free(): Promise<void>
  remove(): Promise<void>
}

/** A file system of its own, which only root can make; else SQLite is told that its file must not grow. */
async function smallDisk(t: TestContext): Promise<SmallDisk> {
  const home = await mkdtemp(join(tmpdir(), 'chancery-full-'))
  const mounted = await run('mount', ['-t', 'tmpfs', '-o', `size=${DISK_MIB}m,mode=700`, 'tmpfs', home]).catch(
    () => undefined,
  )
  if (mounted?.code === 0) {
    t.diagnostic(`a real file system of ${DISK_MIB} MiB`)
    const ballast = join(home, 'ballast')
    return {
      home,
      env: {},
      async fill() {
        for (let bytes = 1 << 20; bytes >= 1; bytes >>= 2) {
          for (;;) {
            try {
              await writeFile(ballast, Buffer.alloc(bytes), { flag: 'a' })
            } catch (error) {
              if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error
              break
            }
          }
        }
      },
      free: () => rm(ballast),
      async remove() {
        await run('umount', ['-l', home])
        await rm(home, { recursive: true, force: true })
      },
    }
  }
  t.diagnostic('a limit in SQLite, because this user cannot mount a file system')
  const flag = `${home}.full`
  return {
    home,
    env: { CHANCERY_TEST_FULL: flag },
    fill: () => writeFile(flag, ''),
    free: () => rm(flag),
    async remove() {
      await rm(flag, { force: true })
      await rm(home, { recursive: true, force: true })
    },
  }
}

function status(url: string): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    get(url, { agent: false }, (response) => {
      let text = ''
      response.on('data', (chunk) => {
        text += chunk
      })
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }))
    }).on('error', reject)
  })
}

/** Lines of the log are gathered for a moment before they are written. */
async function logged(server: SpawnedChancery, line: RegExp): Promise<void> {
  for (let left = 100; left > 0 && !line.test(server.stdout()); left--)
    await new Promise((resolve) => setTimeout(resolve, 50))
  assert.match(server.stdout(), line)
}

test('KF-E03 on a full disk the server says so, stops issuing with 503, still answers reads, and goes on after a restart', async (t) => {
  const disk = await smallDisk(t)
  await using cleanup = new AsyncDisposableStack()
  cleanup.defer(() => disk.remove())
  const signedFile = `${disk.home}.signed`
  const target = await startHttpTarget({ address: '127.0.0.1' })
  cleanup.defer(() => target.close())
  cleanup.defer(() => rm(signedFile, { force: true }))
  const start = () =>
    spawnChancery({
      home: disk.home,
      set: [
        `validation.http01.port=${target.port}`,
        'validation.attempts=1',
        'publicHttpUrl=http://ca.test',
        'orders.allowCertificateGet=true',
      ],
      env: { NODE_OPTIONS: `--import=${HOOK}`, CHANCERY_TEST_SIGNED: signedFile, ...disk.env },
    })
  const signatures = async () => (await readFile(signedFile, 'utf8')).trim().split('\n').length

  const server = await start()
  cleanup.defer(async () => void (await server.stop('SIGKILL')))
  const key = generateTestKey('ES256')
  const client = new AcmeTestClient({ directoryUrl: server.urls.directory, ca: server.rootPem, key })
  cleanup.defer(() => client.close())
  const account = await client.newAccount()
  const issued = await issueOrder(client, 'before.localhost', target)
  const placed = await placeOrder(client, 'ready.localhost')
  await proveOrder(client, placed, target)
  const { base64url: csr } = client.csr(['ready.localhost'])

  await disk.fill()
  const signedBefore = await signatures()
  // The log of the database may hold a little more before it must grow.
  let refused = await client.newOrder(['full.localhost'])
  for (let left = 500; refused.status === 201 && left > 0; left--)
    refused = await client.newOrder([`full-${left}.localhost`])
  assert.equal(refused.status, 503, refused.text)
  assert.match(String(refused.headers['retry-after']), /^\d+$/)
  assert.equal(refused.json.type, 'urn:ietf:params:acme:error:serverInternal')
  const finalized = await client.post(placed.finalizeUrl, { csr })
  assert.equal(finalized.status, 503, finalized.text)
  assert.equal(await signatures(), signedBefore, 'something was signed that could not be stored')
  await logged(server, /"event":"store\.stopped"/)

  assert.equal((await status(`${server.urls.admin}/healthz`)).status, 200)
  const ready = await status(`${server.urls.admin}/readyz`)
  assert.equal(ready.status, 503)
  assert.match(JSON.parse(ready.text).checks.store, /cannot be read and written/)
  assert.equal((await client.get(server.urls.directory)).status, 200)
  assert.equal((await status(`${server.urls.publicHttp}/root.pem`)).status, 200)
  const download = await client.get(issued.certificateUrl)
  assert.equal(download.status, 200)
  assert.equal(download.text, issued.pem)

  await disk.free()
  // Space alone is not enough: what happened to the file meanwhile is for a fresh start to find out.
  assert.equal((await client.newOrder(['freed.localhost'])).status, 503)
  assert.equal((await server.stop()).code, 0)
  const again = await start()
  cleanup.defer(async () => void (await again.stop('SIGKILL')))
  const later = new AcmeTestClient({ directoryUrl: again.urls.directory, ca: again.rootPem, key })
  cleanup.defer(() => later.close())
  later.accountUrl = again.urls.base + new URL(account.headers.location ?? '').pathname
  const ended = await later.post(again.urls.base + new URL(placed.finalizeUrl).pathname, { csr })
  assert.equal(ended.status, 200, ended.text)
  assert.equal((await later.poll(again.urls.base + new URL(placed.orderUrl).pathname)).json.status, 'valid')
  await issueOrder(later, 'after.localhost', target)
  assert.equal((await status(`${again.urls.admin}/readyz`)).status, 200)
})
