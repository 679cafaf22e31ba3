import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { userInfo } from 'node:os'
import { test } from 'node:test'
import { ownerOf } from './file-owner.ts'

test('a file is of its owner by name, and without a file the user that runs the program counts', async () => {
  assert.equal(await ownerOf('/etc/passwd'), 'root')
  assert.equal(await ownerOf(undefined), userInfo().username)
  assert.equal(await ownerOf('/nonexistent/chancery.yaml'), userInfo().username)
})

test('a user without a name, as in containers, is told by number and stops nothing', {
  skip: process.getuid?.() === 0 ? false : 'only root can become another user',
}, () => {
  const module_ = new URL('./file-owner.ts', import.meta.url).href
  const script = `import(process.argv[1]).then(async ({ ownerOf }) => process.stdout.write(await ownerOf(undefined)))`
  const { stdout, stderr } = spawnSync(process.execPath, ['--eval', `process.setuid(54321); ${script}`, module_], {
    encoding: 'utf8',
  })
  assert.equal(stdout, 'uid 54321', stderr)
})
