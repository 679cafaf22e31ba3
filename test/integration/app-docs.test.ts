import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { COMMANDS } from '../../src/cli/commands.ts'
import { readConfig } from '../../src/config/read.ts'
import { referenceRows } from '../support/config-reference.ts'

const read = (name: string): Promise<string> => readFile(new URL(`../../docs/${name}`, import.meta.url), 'utf8')

test('the configuration reference holds every key of the schema with its default and meaning, and no other', async () => {
  const lines = (await read('configuration.md')).split('\n')
  const rows = referenceRows()
  for (const { key, row } of rows) {
    assert.ok(row.split(' | ')[2] !== ' |', `${key} has no description in the schema`)
    assert.ok(lines.includes(row), `docs/configuration.md should hold the row:\n${row}`)
  }
  const documented = lines.filter((line) => line.startsWith('| `'))
  assert.deepEqual(documented.length, rows.length, 'there are rows of keys that do not exist')
})

test('the examples of the configuration reference are accepted', async () => {
  const text = await read('configuration.md')
  const home = await mkdtemp(join(tmpdir(), 'chancery-docs-'))
  try {
    const file = join(home, 'example.yaml')
    await writeFile(file, /```yaml\n(.*?)```/su.exec(text)?.[1] ?? assert.fail('no example'))
    const config = await readConfig({ home, file })
    assert.deepEqual(config.policies['default']?.allow.dns, ['**.corp.example', '**.internal'])
    const commands = [...text.matchAll(/^npm start -- (.*)$/gm)].map(([, flags = '']) => flags)
    assert.ok(commands.length >= 4)
    for (const flags of commands) {
      const set = [...flags.matchAll(/--set (?:'([^']*)'|(\S+))/g)].map(([, quoted, bare]) => quoted ?? bare ?? '')
      assert.ok(set.length > 0, flags)
      await readConfig({ home, set })
    }
  } finally {
    await rm(home, { recursive: true, force: true })
  }
})

test('the guide to commands has a section for each command, and names every flag of it', async () => {
  const text = await read('commands.md')
  for (const entry of COMMANDS) {
    const section = text.split('\n## ').find((part) => part.startsWith(`chancery ${entry.name}\n`))
    assert.ok(section, `docs/commands.md has no section for ${entry.name}`)
    for (const flag of Object.keys((await entry.load()).flags ?? {}))
      assert.ok(section.includes(`\`--${flag}`) || section.includes(` --${flag} `), `${entry.name} --${flag}`)
  }
})
