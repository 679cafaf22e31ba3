import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { runChancery } from '../support/chancery.ts'

test('a command whose write waits for another process goes on afterwards, or says that it could not', async () => {
  const home = await mkdtemp(join(tmpdir(), 'chancery-busy-'))
  try {
    assert.equal((await runChancery(['init'], { home })).code, 0)
    const other = new DatabaseSync(join(home, 'chancery.db'))
    other.exec('BEGIN IMMEDIATE')
    const refused = await runChancery(['eab', 'create'], { home })
    assert.equal(refused.code, 1, `${refused.code}: ${refused.stdout}${refused.stderr}`)
    assert.match(refused.stderr, /^chancery: .*another process holds the database/)
    assert.equal(refused.stdout, '', 'no key is handed out that was not stored')
    other.exec('ROLLBACK')
    other.close()
    assert.equal((await runChancery(['eab', 'create'], { home })).code, 0)
  } finally {
    await rm(home, { recursive: true, force: true })
  }
})
