import assert from 'node:assert/strict'
import { access, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { runCommand } from '../support/cli.ts'

test('in a folder that is no state folder, every command on the database says so and makes nothing', async () => {
  const cwd = await mkdtemp(join(tmpdir(), 'chancery-nowhere-'))
  const home = join(cwd, 'mistyped')
  await writeFile(join(cwd, 'keys.csv'), 'label\none\n')
  await writeFile(join(cwd, 'leaf.pem'), '')
  const [eab, account, grant] = ['eab', 'acc', 'grt'].map((kind) => `${kind}_${'a'.repeat(22)}`) as [
    string,
    string,
    string,
  ]
  try {
    for (const words of [
      ['eab', 'create'],
      ['eab', 'list'],
      ['eab', 'show', eab],
      ['eab', 'update', eab, '--owner', 'x'],
      ['eab', 'rotate', eab],
      ['eab', 'expire', eab],
      ['eab', 'revoke', eab],
      ['eab', 'import', 'keys.csv', '--out', 'out.csv'],
      ['eab', 'export'],
      ['preauthorize', 'add', 'a.test', '--account', account, '--owner', 'x', '--expires', '1d'],
      ['preauthorize', 'list'],
      ['preauthorize', 'revoke', grant],
      ['explain', '4f01'],
      ['policy', 'effective', account],
      ['policy', 'replay'],
      ['policy', 'versions'],
      ['limits', 'list'],
      ['limits', 'clear', 'x'],
      ['clock', 'accept'],
      ['certificates', 'import', '--from', 'leaf.pem'],
      ['backup', '--to', 'copy'],
    ]) {
      const { code, err } = await runCommand(words, { home, cwd })
      assert.equal(code, 1, words.join(' '))
      assert.match(err, /^chancery: there is no database .*; set CHANCERY_HOME to the state folder/, words.join(' '))
      await assert.rejects(access(home), words.join(' '))
    }
    await assert.rejects(access(join(cwd, 'copy')))
    await assert.rejects(access(join(cwd, 'out.csv')))
  } finally {
    await rm(cwd, { recursive: true, force: true })
  }
})
