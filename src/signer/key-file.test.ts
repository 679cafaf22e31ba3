import assert from 'node:assert/strict'
import { chmod, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { loadKeyFile } from './key-file.ts'
import { generateKey } from './software.ts'

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'chancery-key-'))
  t.after(() => rm(path, { recursive: true, force: true }))
  return path
}

test('KF-G07 a key file that group or others can reach is refused, saying how to close it', {
  skip: process.platform === 'win32',
}, async (t) => {
  const path = join(await folder(t), 'issuing.key.pem')
  await writeFile(path, await (await generateKey('P-256')).privatePem(), { mode: 0o600 })
  await loadKeyFile(path)
  for (const mode of [0o640, 0o604, 0o620, 0o610, 0o777]) {
    await chmod(path, mode)
    await assert.rejects(
      loadKeyFile(path),
      (error: Error & { code?: string }) => error.code === 'KEY_EXPOSED' && error.message.includes(`chmod 600 ${path}`),
    )
  }
})

test('KF-G07 behind a link it is the mode of the file itself that counts', {
  skip: process.platform === 'win32',
}, async (t) => {
  const path = join(await folder(t), 'key.pem')
  await writeFile(path, await (await generateKey('P-256')).privatePem(), { mode: 0o644 })
  await chmod(path, 0o644)
  await symlink(path, `${path}.link`)
  await assert.rejects(loadKeyFile(`${path}.link`), { code: 'KEY_EXPOSED' })
})

test('a missing key file, a folder and a file far too large each have their own answer', async (t) => {
  const path = await folder(t)
  await assert.rejects(loadKeyFile(join(path, 'none.pem')), { code: 'KEY_NOT_FOUND' })
  await assert.rejects(loadKeyFile(path), { code: 'KEY_UNREADABLE' })
  await writeFile(join(path, 'big.pem'), 'A'.repeat(100_000), { mode: 0o600 })
  await assert.rejects(loadKeyFile(join(path, 'big.pem')), /no key file/)
})
