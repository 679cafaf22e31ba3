import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { type AddressInfo, connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { issueOrder, placeOrder } from '../support/acme-story.ts'
import { AcmeTestClient } from '../support/acme-test-client.ts'
import { runChancery, type SpawnedChancery, spawnChancery } from '../support/chancery.ts'
import { type HttpTarget, startHttpTarget } from '../support/http-target.ts'

const WORKERS = 12
const DRAIN_SECONDS = 10
/** Starting to stop and ending the background work take a moment more than the drain. */
const GRACE_MS = 8_000
const BREAK_LISTENER = fileURLToPath(new URL('../support/break-listener.ts', import.meta.url))

let home: string
let target: HttpTarget

before(async () => {
  home = await mkdtemp(join(tmpdir(), 'chancery-stop-'))
  target = await startHttpTarget({ address: '127.0.0.1' })
})

after(async () => {
  await target?.close()
  await rm(home, { recursive: true, force: true })
})

const start = (drainSeconds = DRAIN_SECONDS, env: Record<string, string> = {}): Promise<SpawnedChancery> =>
  spawnChancery({
    home,
    set: [
      `validation.http01.port=${target.port}`,
      `shutdown.drainTimeout=${drainSeconds}`,
      'publicHttpUrl=http://ca.test',
    ],
    env,
  })

const clientOf = (server: SpawnedChancery): AcmeTestClient =>
  new AcmeTestClient({ directoryUrl: server.urls.directory, ca: server.rootPem })

async function until(isTrue: () => boolean): Promise<void> {
  const deadline = performance.now() + 20_000
  while (!isTrue()) {
    if (performance.now() > deadline) throw new Error('it did not come to pass')
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

/** The exit code, once the process has ended by itself; a process that goes on is killed, and the test fails. */
async function ended(server: SpawnedChancery): Promise<number | null> {
  const timer = setTimeout(() => server.child.kill('SIGKILL'), 20_000)
  const [code] = await once(server.child, 'close')
  clearTimeout(timer)
  return code
}

/** How long the process took to its end, in milliseconds, and how it ended. */
async function terminated(server: SpawnedChancery): Promise<{ code: number | null; tookMs: number }> {
  const startedMs = performance.now()
  const { code } = await server.stop('SIGTERM')
  return { code, tookMs: performance.now() - startedMs }
}

test('KF-E14 SIGTERM under load: every request that was taken is answered, nothing is left half done, and the exit code is 0', async () => {
  const server = await start()
  const errors: unknown[] = []
  const issued: { certificateUrl: string; pem: string; client: AcmeTestClient }[] = []
  const workers = Array.from({ length: WORKERS }, async (_, worker) => {
    const client = clientOf(server)
    try {
      assert.equal((await client.newAccount()).status, 201)
      for (let n = 0; ; n++) issued.push({ ...(await issueOrder(client, `w${worker}-${n}.localhost`, target)), client })
    } catch (error) {
      errors.push(error)
    }
  })
  await until(() => issued.length >= WORKERS)
  const { code, tookMs } = await terminated(server)
  await Promise.all(workers)
  assert.equal(code, 0, server.stderr())
  assert.ok(tookMs < DRAIN_SECONDS * 1000 + GRACE_MS, `${tookMs} ms`)
  // Nobody saw an answer break off: each worker ended because nobody took its next connection.
  for (const error of errors) assert.equal((error as NodeJS.ErrnoException).code, 'ECONNREFUSED', String(error))

  const database = new DatabaseSync(join(home, 'chancery.db'), { readOnly: true })
  const [open] = database
    .prepare('SELECT count(*) AS n FROM certificates WHERE certificate_der IS NULL AND abandoned_at IS NULL')
    .all()
  database.close()
  assert.deepEqual({ ...open }, { n: 0 })

  const again = await start()
  try {
    for (const { client, certificateUrl, pem } of issued) {
      const reader = new AcmeTestClient({ directoryUrl: again.urls.directory, ca: again.rootPem, key: client.key })
      reader.accountUrl = again.urls.base + new URL(client.accountUrl ?? '').pathname
      assert.equal((await reader.postAsGet(again.urls.base + new URL(certificateUrl).pathname)).text, pem)
      reader.close()
    }
  } finally {
    for (const { client } of issued) client.close()
    await again.stop('SIGKILL')
  }
})

test('KF-E14 KF-E13 a request that never ends and a proof that hangs hold up the end no longer than the limit, and the order goes on afterwards', async () => {
  const server = await start(1)
  const client = clientOf(server)
  const slow = connect(Number(new URL(server.urls.publicHttp).port), '127.0.0.1')
  slow.on('error', () => {})
  await once(slow, 'connect')
  const cut = once(slow, 'close')
  slow.write('GET /root.pem HTTP/1.1\r\nHost: x\r\n')
  // A host that takes the request and never answers.
  target.handle(() => {})
  assert.equal((await client.newAccount()).status, 201)
  const placed = await placeOrder(client, 'hanging.localhost')
  const asked = target.requests.length
  assert.equal((await client.post(placed.challenge.url, {})).status, 200)
  await until(() => target.requests.length > asked)
  const { code, tookMs } = await terminated(server)
  await cut
  assert.equal(code, 0, server.stderr())
  assert.ok(tookMs < 1_000 + GRACE_MS, `${tookMs} ms`)

  target.handle(undefined)
  target.provision(placed.challenge.token, client.keyAuthorization(placed.challenge.token))
  // At once: what was given up in good order need not wait for a lease to end.
  const again = await start()
  const reader = new AcmeTestClient({ directoryUrl: again.urls.directory, ca: again.rootPem, key: client.key })
  try {
    reader.accountUrl = again.urls.base + new URL(client.accountUrl ?? '').pathname
    const proved = await reader.poll(again.urls.base + new URL(placed.authorizationUrl).pathname, { pauseMs: 50 })
    assert.equal(proved.json.status, 'valid', proved.text)
  } finally {
    reader.close()
    client.close()
    await again.stop('SIGKILL')
  }
})

test('KF-E14 a second signal ends the process at once, with code 1', async () => {
  const server = await start(60)
  const slow = connect(Number(new URL(server.urls.publicHttp).port), '127.0.0.1')
  slow.on('error', () => {})
  await once(slow, 'connect')
  slow.write('GET /root.pem HTTP/1.1\r\nHost: x\r\n')
  const root = await fetch(`${server.urls.publicHttp}/root.pem`)
  assert.equal(root.status, 200)
  await root.arrayBuffer()
  server.child.kill('SIGTERM')
  await until(() => server.stdout().includes('"event":"stopping"'))
  server.child.kill('SIGINT')
  const code = await ended(server)
  assert.equal(code, 1)
  assert.match(server.stdout(), /"event":"stop\.forced"/)
  slow.destroy()
})

for (const listener of ['acme', 'public'] as const) {
  test(`KF-E14 when the ${listener} listener dies the process ends with code 1 instead of running on without it`, async () => {
    const server = await spawnChancery({
      home,
      set: ['publicHttpUrl=http://ca.test', 'shutdown.drainTimeout=1'],
      env: { NODE_OPTIONS: `--import=${BREAK_LISTENER}`, CHANCERY_TEST_BREAK: listener },
    })
    server.child.kill('SIGUSR2')
    const code = await ended(server)
    assert.equal(code, 1)
    assert.match(server.stdout(), new RegExp(`"event":"http\\.listener_failed","listener":"${listener}"`))
    assert.match(server.stdout(), /"event":"stopped"/)
  })
}

test('KF-F14 an error that nobody handles is logged, and ends the process with code 1 instead of leaving it half alive', async () => {
  const server = await spawnChancery({
    home,
    set: ['publicHttpUrl=http://ca.test'],
    env: { NODE_OPTIONS: `--import=${BREAK_LISTENER}`, CHANCERY_TEST_BREAK: 'throw' },
  })
  server.child.kill('SIGUSR2')
  const code = await ended(server)
  assert.equal(code, 1)
  assert.match(server.stdout(), /"event":"process\.uncaught_exception".*nobody handles this/)
})

for (const [how, expected] of [
  ['SIGTERM', 0],
  ['an error that nobody handles', 1],
] as const) {
  test(`KF-E14 ${how} ends the process with code ${expected} although nobody reads its log any more`, async () => {
    const server = await spawnChancery({
      home,
      set: ['publicHttpUrl=http://ca.test', 'shutdown.drainTimeout=1', 'limits.enabled=false'],
      env: { NODE_OPTIONS: `--import=${BREAK_LISTENER}`, CHANCERY_TEST_BREAK: 'throw' },
    })
    const { stdout } = server.child
    assert.ok(stdout)
    stdout.pause()
    const client = clientOf(server)
    const path = `/${'x'.repeat(190)}`
    for (let left = 2_000; left > 0; left--) await client.get(new URL(path, server.urls.directory).href)
    client.close()
    server.child.kill(expected === 0 ? 'SIGTERM' : 'SIGUSR2')
    const timer = setTimeout(() => server.child.kill('SIGKILL'), 20_000)
    const [code] = await once(server.child, 'exit')
    clearTimeout(timer)
    assert.equal(code, expected)
    stdout.resume()
  })
}

test('KF-E14 readers that went away, of output and errors, end neither the server nor a command, and spoil no exit code', async () => {
  const server = await start(1)
  server.child.stdout?.destroy()
  server.child.stderr?.destroy()
  const client = clientOf(server)
  for (let left = 3; left > 0; left--) {
    await client.get(server.urls.directory.replace('directory', 'nowhere'))
    await new Promise((resolve) => setTimeout(resolve, 150))
  }
  assert.equal((await client.get(server.urls.directory)).status, 200)
  client.close()
  server.child.kill('SIGTERM')
  const [code] = await once(server.child, 'exit', { signal: AbortSignal.timeout(20_000) })
  assert.equal(code, 0)

  const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url))
  const help = spawn(process.execPath, [main, 'help'], { stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  help.stderr.on('data', (bytes: Buffer) => {
    said += bytes
  })
  help.stdout.destroy()
  const [end] = await once(help, 'close')
  assert.deepEqual({ end, said }, { end: 0, said: '' })
})

test('KF-E14 a second signal ends a start that waits for its database, too', async (t) => {
  const silent = createServer((socket) => void t.after(() => socket.destroy()))
  t.after(() => silent.close())
  silent.listen(0, '127.0.0.1')
  await once(silent, 'listening')
  const { port } = silent.address() as AddressInfo
  const folder = await mkdtemp(join(tmpdir(), 'chancery-stop-starting-'))
  t.after(() => rm(folder, { recursive: true }))
  const asked = once(silent, 'connection')
  const spawned = Promise.withResolvers<ChildProcess>()
  const url = `store.url=postgres://chancery@127.0.0.1:${port}/chancery`
  const running = runChancery(['serve', '--set', url, '--set', 'store.postgres.connectTimeout=1h'], {
    home: folder,
    onSpawn: spawned.resolve,
  })
  const child = await spawned.promise
  await asked
  const timer = setTimeout(() => child.kill('SIGKILL'), 20_000)
  child.kill('SIGTERM')
  child.kill('SIGINT')
  const { code, stdout } = await running
  clearTimeout(timer)
  assert.equal(code, 1)
  assert.match(stdout, /"event":"stop\.forced"/)
})
