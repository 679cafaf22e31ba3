import assert from 'node:assert/strict'
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { createSecretFile, type Home, HomeError, openHome, replaceFile } from './home.ts'
import { finishStagedFiles, placeFiles } from './staged-files.ts'

let folder: string
let count = 0
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'chancery-home-'))
})
after(() => rm(folder, { recursive: true, force: true }))

const newHome = (): Promise<Home> => openHome(join(folder, `home-${++count}`))
const modeOf = async (path: string): Promise<number> => (await stat(path)).mode & 0o777

test('KF-G07 the state folder and its secrets are made for their owner alone', async () => {
  const home = await newHome()
  assert.equal(await modeOf(home.path), 0o700)
  assert.equal(await modeOf(home.keysFolder), 0o700)
  await createSecretFile(home.storageKey, 'secret')
  assert.equal(await modeOf(home.storageKey), 0o600)
  await replaceFile(home.tlsPem, 'public', 0o644)
  assert.equal(await modeOf(home.tlsPem), 0o644)
})

for (const mode of [0o640, 0o604, 0o660, 0o644, 0o620]) {
  test(`KF-G07 a key of mode ${mode.toString(8)} stops the start, and the message says how to close it`, async () => {
    const home = await newHome()
    await writeFile(home.tlsKey, 'key')
    await chmod(home.tlsKey, mode)
    await assert.rejects(
      openHome(home.path),
      (error) => error instanceof HomeError && error.message.includes(`chmod 600 ${home.tlsKey}`),
    )
  })
}

test('KF-G07 a folder of keys that others can list, or a state folder they can write to, stops the start', async () => {
  const home = await newHome()
  await chmod(home.keysFolder, 0o750)
  await assert.rejects(openHome(home.path), new RegExp(`chmod 700 ${home.keysFolder}`))
  await chmod(home.keysFolder, 0o700)
  await chmod(home.path, 0o770)
  await assert.rejects(openHome(home.path), new RegExp(`chmod 700 ${home.path}$`))
})

test('KF-G07 the offline folder is looked at too', async () => {
  const home = await newHome()
  await mkdir(home.offlineFolder, { mode: 0o700 })
  await writeFile(home.offlineRootKey, 'key')
  await chmod(home.offlineRootKey, 0o644)
  await assert.rejects(openHome(home.path), /root\.key\.pem has mode 0644/)
})

test('a secret never takes the place of another', async () => {
  const home = await newHome()
  assert.equal(await createSecretFile(home.storageKey, 'first'), true)
  assert.equal(await createSecretFile(home.storageKey, 'second'), false)
  assert.equal(await readFile(home.storageKey, 'utf8'), 'first')
  assert.deepEqual(await readdir(home.keysFolder), ['storage.key'])
})

test('the files of a ceremony come all together, and never over existing ones', async () => {
  const home = await newHome()
  const files = [
    { path: home.issuerKey('default'), content: 'key', secret: true },
    { path: home.rootPem, content: 'root', secret: false },
    { path: home.offlineRootKey, content: 'root key', secret: true },
  ]
  await placeFiles(home, files)
  assert.equal(await readFile(home.rootPem, 'utf8'), 'root')
  assert.equal(await modeOf(home.issuerKey('default')), 0o600)
  assert.equal(await modeOf(home.offlineFolder), 0o700)
  assert.deepEqual((await readdir(home.path)).sort(), ['keys', 'offline', 'root.pem'])
  await assert.rejects(placeFiles(home, files), /exists already/)
  assert.equal(await readFile(home.rootPem, 'utf8'), 'root')
})

test('KF-E01 a ceremony that a crash cut short is finished when it was complete, and forgotten when it was not', async () => {
  const home = await newHome()
  await mkdir(join(home.path, 'new-authority.partial', 'keys'), { recursive: true })
  await writeFile(join(home.path, 'new-authority.partial', 'keys', 'default.key.pem'), 'half')
  await mkdir(join(home.path, 'new-authority.ready'), { recursive: true })
  await writeFile(join(home.path, 'new-authority.ready', 'root.pem'), 'root')
  await finishStagedFiles(home)
  assert.equal(await readFile(home.rootPem, 'utf8'), 'root')
  assert.deepEqual((await readdir(home.path)).sort(), ['keys', 'root.pem'])
  assert.deepEqual(await readdir(home.keysFolder), [])
})
