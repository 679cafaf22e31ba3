import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { type AddressInfo, connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { AcmeTestClient } from '../support/acme-test-client.ts'
import { freePorts, runChancery, type SpawnedChancery, spawnChancery } from '../support/chancery.ts'

let home: string
let server: SpawnedChancery
let ports: number[]

before(async () => {
  home = await mkdtemp(join(tmpdir(), 'chancery-life-'))
  server = await spawnChancery({ home })
  ports = await freePorts(3)
})

after(async () => {
  await server?.stop('SIGKILL')
  await rm(home, { recursive: true, force: true })
})

const eventsOf = (text: string): Record<string, unknown>[] =>
  text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>)

test('the first start makes a CA, says ready in one line with its listeners, and tells people what to do', async () => {
  const ready = eventsOf(server.stdout()).filter(({ event }) => event === 'ready')
  assert.equal(ready.length, 1)
  const listeners = ready[0]?.['listeners'] as Record<string, string>
  assert.equal(`https://localhost:${listeners['acme']?.split(':')[1]}`, server.urls.base)
  assert.deepEqual(Object.keys(listeners).sort(), ['acme', 'admin', 'public'])
  while (!server.stderr().includes('--ca-bundle') && server.child.stderr !== null)
    await once(server.child.stderr, 'data')
  const printed = await runChancery(['root'], { home })
  const fingerprint = /SHA-256 fingerprint: ([0-9A-F:]{95})/.exec(printed.stdout)?.[1]
  assert.ok(fingerprint && server.stderr().includes(fingerprint))
  assert.ok(printed.stdout.endsWith(server.rootPem))
  assert.match(server.stderr(), /off this machine, to two places/)
  assert.ok(server.stderr().includes(server.urls.directory))
})

test('KF-G07 every secret that the first start wrote is closed to others, and the root key is encrypted', async () => {
  for (const folder of ['keys', 'offline']) {
    assert.equal((await stat(join(home, folder))).mode & 0o777, 0o700)
    for (const file of await readdir(join(home, folder)))
      assert.equal((await stat(join(home, folder, file))).mode & 0o777, 0o600, file)
  }
  assert.match(await readFile(join(home, 'offline', 'root.key.pem'), 'utf8'), /^-----BEGIN ENCRYPTED PRIVATE KEY-----/)
  assert.equal((await stat(join(home, 'chancery.db'))).mode & 0o077, 0)
})

test('KF-E07 a second server on the same state folder says so and ends', async () => {
  const second = await runChancery([], { home })
  assert.equal(second.code, 1)
  assert.match(second.stderr, /chancery\.db/)
  assert.equal(second.stdout.includes('"event":"ready"'), false)
  assert.equal((await fetch(`${server.urls.admin}/healthz`)).status, 200)
})

test('tools work beside the running server', async () => {
  const settings = ['--set', `publicUrl=${server.urls.base}`, '--set', `publicHttpUrl=${server.urls.publicHttp}`]
  const checked = await runChancery(['check', ...settings], { home })
  assert.equal(checked.code, 0, checked.stdout + checked.stderr)
  assert.match(checked.stdout, /^ok +addresses +https:\/\/localhost:\d+\/directory answers$/m)
  assert.match(checked.stdout, /^WARN +root .*offline\/root\.key\.pem is still on this machine/m)
  const made = await runChancery(['eab', 'create', '--label', 'web'], { home })
  assert.equal(made.code, 0, made.stderr)
  const keyId = /Key id: +(eab_\S{22})/.exec(made.stdout)?.[1] ?? ''
  assert.match(made.stdout, /MAC key: +[A-Za-z0-9_-]{43} /)
  assert.match(
    (await runChancery(['eab', 'list'], { home })).stdout,
    new RegExp(`^${keyId} .*usable until .* web$`, 'm'),
  )
  assert.equal((await runChancery(['eab', 'revoke', keyId], { home })).code, 0)
  assert.equal((await runChancery(['eab', 'revoke', 'eab_unknown'], { home })).code, 1)
})

test('KF-E14 SIGTERM answers the request under way with Connection: close, then ends with code 0', async () => {
  const port = Number(new URL(server.urls.publicHttp).port)
  const socket = connect(port, '127.0.0.1')
  await once(socket, 'connect')
  let answer = ''
  socket.setEncoding('utf8').on('data', (text: string) => {
    answer += text
  })
  // Half a request, so that the drain has something to wait for.
  socket.write('GET /root.pem HTTP/1.1\r\nHost: localhost\r\n')
  await new Promise((resolve) => setTimeout(resolve, 50))
  server.child.kill('SIGTERM')
  while (!server.stdout().includes('"event":"stopping"') && server.child.stdout !== null)
    await once(server.child.stdout, 'data')
  socket.write('\r\n')
  await once(socket, 'close')
  assert.match(answer, /^HTTP\/1\.1 200 OK\r\n/)
  assert.match(answer, /^Connection: close\r$/m)
  assert.deepEqual(await server.stop(), { code: 0, signal: null })
  const events = eventsOf(server.stdout()).map(({ event }) => event)
  assert.deepEqual(events.slice(-2), ['stopping', 'stopped'])
  await assert.rejects(fetch(`${server.urls.admin}/healthz`))
})

test('the second start finds everything, keeps its certificate, and tells only where things are', async () => {
  const tlsBefore = await readFile(join(home, 'tls.pem'), 'utf8')
  const rootBefore = await readFile(join(home, 'root.pem'), 'utf8')
  server = await spawnChancery({ home })
  assert.equal(server.rootPem, rootBefore)
  assert.equal(await readFile(join(home, 'tls.pem'), 'utf8'), tlsBefore)
  const client = new AcmeTestClient({ directoryUrl: server.urls.directory, ca: server.rootPem })
  assert.equal((await client.newAccount()).status, 201)
  client.close()
  assert.equal((await server.stop()).code, 0)
  assert.equal(server.stderr().includes('first start'), false)
  assert.ok(server.stderr().includes(server.urls.directory))
})

test('KF-G07 a key that others can read stops the start and check, with the command that closes it', async () => {
  const key = join(home, 'keys', 'default.key.pem')
  await chmod(key, 0o644)
  for (const verb of ['serve', 'check']) {
    const { code, stdout, stderr } = await runChancery([verb], { home })
    assert.equal(code, 1, verb)
    assert.ok(`${stdout}${stderr}`.includes(`chmod 600 ${key}`), `${stdout}${stderr}`)
  }
  await chmod(key, 0o600)
})

test('KF-F14 an error that nobody handled is logged, and the process ends', async () => {
  // Planted from outside: on this signal a promise is rejected that nobody waits for.
  const plant = 'process.on("SIGUSR2", () => { Promise.reject(new Error("planted")) })'
  const env = { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(plant)}` }
  const doomed = await spawnChancery({ home, env })
  assert.deepEqual(await doomed.stop('SIGUSR2'), { code: 1, signal: null })
  const last = eventsOf(doomed.stdout()).at(-1)
  assert.equal(last?.['event'], 'process.unhandled_rejection')
  assert.equal((last?.['error'] as { message: string } | undefined)?.message, 'planted')
})

test('KF-E14 a listener that cannot listen stops the start, naming the address', async () => {
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  const { port } = taken.address() as AddressInfo
  const { code, stdout, stderr } = await runChancery(
    [
      '--set',
      'listeners.acme=127.0.0.1:0',
      '--set',
      'publicUrl=https://localhost',
      '--set',
      `listeners.public=127.0.0.1:${port}`,
    ],
    { home },
  )
  taken.close()
  assert.equal(code, 1)
  assert.ok(stderr.includes(`listeners.public: cannot listen on 127.0.0.1:${port} (EADDRINUSE)`), stderr)
  assert.equal(stderr.includes('    at '), false, 'a known failure has no stack')
  assert.equal(eventsOf(stdout).at(-1)?.['event'], 'start.failed')
})

test('KF-E14 a server started by npm ends when the shell between them dies of the signal and does not pass it on', async () => {
  // The shell prints its own id and stays the parent; it is killed as npm would kill it.
  const node = process.execPath
  const settings = ['acme', 'public', 'admin']
    .map((name, i) => `--set listeners.${name}=127.0.0.1:${ports[i]}`)
    .join(' ')
  const shell = spawn('sh', ['-c', `${node} src/main.ts ${settings}; true`], {
    cwd: fileURLToPath(new URL('../..', import.meta.url)),
    env: { ...process.env, CHANCERY_HOME: home, npm_lifecycle_event: 'start' },
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  let stdout = ''
  shell.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  while (!stdout.includes('"event":"ready"')) await once(shell.stdout, 'data')
  shell.kill('SIGTERM')
  // The pipe ends when the server, its last writer, is gone.
  await once(shell.stdout, 'end')
  assert.equal(eventsOf(stdout).at(-1)?.['event'], 'stopped')
})
