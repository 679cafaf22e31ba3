import assert from 'node:assert/strict'
import { createPrivateKey } from 'node:crypto'
import { chmod, mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { backup, DatabaseSync } from 'node:sqlite'
import { after, before, test } from 'node:test'
import { runCli } from '../../src/cli/run.ts'
import { issueOrder } from '../support/acme-story.ts'
import { AcmeTestClient } from '../support/acme-test-client.ts'
import { runChancery, type SpawnedChancery, spawnChancery } from '../support/chancery.ts'
import { type HttpTarget, startHttpTarget } from '../support/http-target.ts'
import { generateTestKey } from '../support/test-keys.ts'

const HOSTILE = 'a\u001b[2J\u009b31m\n{"level":"info","event":"forged"}\r\u2028\u202e"'

let home: string
let target: HttpTarget
let server: SpawnedChancery
let client: AcmeTestClient
/** Everything that must not be found anywhere but where it is kept, by what it is. */
const planted = new Map<string, readonly string[]>()
/** Texts that went to requesters, and to whoever reads metrics. */
const shown: string[] = []

/** The forms in which bytes could turn up in a text. */
const formsOf = (bytes: Buffer): string[] => [
  bytes.toString('hex'),
  bytes.toString('base64').replace(/=+$/, ''),
  bytes.toString('base64url'),
]

/** The secret number of a private key, which stands in each of its encodings. */
function scalarOf(pem: string, passphrase?: string): Buffer {
  const key = createPrivateKey({ key: pem, ...(passphrase === undefined ? {} : { passphrase }) })
  return Buffer.from(key.export({ format: 'jwk' }).d ?? '', 'base64url')
}

before(async () => {
  home = await mkdtemp(join(tmpdir(), 'chancery-secrets-'))
  target = await startHttpTarget({ address: '127.0.0.1' })
  server = await spawnChancery({
    home,
    set: [
      `validation.http01.port=${target.port}`,
      'directories.default.externalAccount=required',
      'log.level=debug',
      'validation.attempts=1',
    ],
  })
  await useEverything()
  shown.push(await (await fetch(`${server.urls.admin}/metrics`)).text())
  shown.push(await (await fetch(`${server.urls.admin}/readyz`)).text())
})

after(async () => {
  client?.close()
  await server?.stop('SIGKILL')
  await target?.close()
  await rm(home, { recursive: true, force: true })
})

/** Goes through everything that touches a secret, rightly and wrongly. */
async function useEverything(): Promise<void> {
  const made = await runChancery(['eab', 'create', '--label', 'planted'], { home })
  const [, keyId = ''] = /Key id: +(\S+)/.exec(made.stdout) ?? []
  const macKey = Buffer.from(/MAC key: +(\S+)/.exec(made.stdout)?.[1] ?? '', 'base64url')
  assert.equal(macKey.length, 32)
  planted.set('EAB MAC key', formsOf(macKey))

  client = new AcmeTestClient({ directoryUrl: server.urls.directory, ca: server.rootPem })
  const { newAccount } = await client.directory()
  const binding = await client.externalAccountBinding(keyId, macKey)
  const wrong = await client.externalAccountBinding(keyId, Buffer.alloc(32))
  shown.push((await client.newAccount({ externalAccountBinding: wrong })).text)
  // A client that takes the MAC key for a member of the binding, or its private key for the public one.
  shown.push(
    (await client.newAccount({ externalAccountBinding: { ...wrong, hmac: macKey.toString('base64url') } })).text,
  )
  const careless = generateTestKey('ES256')
  const privateJwk = careless.privateKey.export({ format: 'jwk' })
  shown.push((await client.post(newAccount ?? '', {}, { kid: null, key: careless, jwk: privateJwk })).text)
  planted.set('private key of a careless client', formsOf(Buffer.from(privateJwk.d ?? '', 'base64url')))
  const account = await client.newAccount({ externalAccountBinding: binding, contact: ['mailto:ops@a.test'] })
  assert.equal(account.status, 201, account.text)
  planted.set('nonce', [await client.newNonce()])

  const issued = await issueOrder(client, 'planted.localhost', target)
  planted.set('token of a challenge', [issued.challenge.token])
  shown.push((await client.post(issued.finalizeUrl, { csr: `${issued.csr}AAAA` })).text)
  shown.push((await client.newOrder([HOSTILE])).text)
  shown.push((await client.post(client.accountUrl ?? '', { contact: [`mailto:${HOSTILE}@a.test`] })).text)
  shown.push((await client.get(server.urls.directory, { 'User-Agent': 'x\u009b31m"\\' })).text)
  target.handle((_, response) => void response.writeHead(200).end('planted-internal-page'))
  const refused = await client.newOrder(['refused.localhost'])
  const { challenges } = (await client.postAsGet(refused.json.authorizations[0])).json
  await client.post(challenges[0].url, {})
  shown.push((await client.poll(refused.json.authorizations[0])).json.challenges[0].error.detail)
  planted.set('page of a validated host', ['planted-internal-page'])

  const read = (path: string): Promise<string> => readFile(join(home, path), 'utf8')
  for (const name of (await readdir(join(home, 'keys'))).filter((file) => file.endsWith('.pem')))
    planted.set(`keys/${name}`, formsOf(scalarOf(await read(`keys/${name}`))))
  const passphrase = (await read('offline/root.passphrase')).trim()
  planted.set('passphrase of the root', [passphrase])
  planted.set('key of the root', formsOf(scalarOf(await read('offline/root.key.pem'), passphrase)))
  const storageKey = Buffer.from((await read('keys/storage.key')).trim().split(' ').at(-1) ?? '', 'base64url')
  assert.equal(storageKey.length, 32)
  planted.set('storage key', formsOf(storageKey))
}

test('KF-F20 KF-G07 no planted secret is in the log at its most talkative, in metrics, or in what requesters were told', () => {
  assert.ok(planted.size >= 9)
  const log = server.stdout() + server.stderr()
  assert.match(log, /"event":"certificate\.issued"/)
  for (const [what, forms] of planted) {
    for (const form of forms) {
      assert.ok(form.length >= 20, what)
      assert.equal(log.includes(form), false, `${what} is in the log`)
      assert.equal(shown.join('\n').includes(form), false, `${what} was told`)
    }
  }
})

test('KF-F20 hostile names, contacts and header values stay inside one line each, of printable characters', () => {
  const lines = server.stdout().trim().split('\n')
  for (const line of lines) {
    assert.match(line, /^[\x20-\x7e]+$/)
    assert.notEqual((JSON.parse(line) as { event: string }).event, 'forged')
  }
})

test('KF-G07 every file of the state folder is for its owner alone where it holds a secret, and no other file holds one', async () => {
  const open: string[] = []
  const secretFiles = ['keys', 'offline', 'chancery.db']
  for (const file of await readdir(home, { recursive: true, withFileTypes: true })) {
    const path = join(file.parentPath, file.name)
    const name = path.slice(home.length + 1)
    const { mode } = await stat(path)
    assert.equal(mode & 0o022, 0, `${name} can be written by others`)
    if (secretFiles.some((secret) => name.startsWith(secret))) {
      if ((mode & 0o077) !== 0) open.push(name)
    } else if (file.isFile()) {
      const bytes = await readFile(path)
      assert.equal(bytes.includes('PRIVATE KEY'), false, name)
    }
  }
  assert.deepEqual(open, [])
})

test('KF-G07 neither the database nor a backup of it holds a private key or a plain MAC key', async () => {
  const copy = join(home, 'backup.db')
  const database = new DatabaseSync(join(home, 'chancery.db'), { readOnly: true })
  await backup(database, copy)
  database.close()
  const files = (await readdir(home)).filter((name) => name.startsWith('chancery.db') || name === 'backup.db')
  assert.ok(files.includes('chancery.db') && files.includes('backup.db'))
  const kept = ['token of a challenge', 'nonce']
  for (const name of files) {
    const bytes = await readFile(join(home, name))
    assert.equal(bytes.includes('PRIVATE KEY'), false, name)
    for (const [what, forms] of planted) {
      if (kept.includes(what)) continue
      const asBytes = forms.filter((form) => /^(?:[0-9a-f]{2})+$/.test(form)).map((hex) => Buffer.from(hex, 'hex'))
      for (const form of [...forms, ...asBytes]) assert.equal(bytes.includes(form), false, `${what} is in ${name}`)
    }
  }
  await rm(copy)
})

test('KF-G07 check names every secret file that others may read, with the command that closes it', async () => {
  for (const name of ['keys/storage.key', 'keys/tls.key.pem', 'offline/root.key.pem', 'offline/root.passphrase']) {
    const path = join(home, name)
    await chmod(path, 0o644)
    const lines: string[] = []
    const say = (line: string): void => void lines.push(line)
    const code = await runCli(['check'], { env: { CHANCERY_HOME: home }, cwd: home, out: say, err: say })
    assert.equal(code, 1, `${name}: ${lines.join('\n')}`)
    assert.ok(lines.join('\n').includes(`chmod 600 ${path}`), `${name}: ${lines.join('\n')}`)
    await chmod(path, 0o600)
  }
})
