import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { memberRows, variableRows } from '../../../test/support/policy-reference.ts'
import { readPolicy } from './read-policy.ts'

const page = readFileSync(new URL('../../../docs/policy-rules.md', import.meta.url), 'utf8')

test('the reference of rules holds every member and variable with its meaning, and no other', () => {
  const lines = page.split('\n')
  const rows = [...memberRows(), ...variableRows()]
  for (const row of rows) assert.ok(lines.includes(row), `docs/policy-rules.md should hold the row:\n${row}`)
  assert.equal(lines.filter((line) => line.startsWith('| `')).length, rows.length)
})

test('every file of rules on the page can be put into force', async () => {
  const facts = { lifetimeSeconds: 86_400, maxLifetimeSeconds: 604_800, extendedKeyUsages: ['serverAuth'] }
  const files = [...page.matchAll(/^```yaml\n([\s\S]*?)^```$/gm)]
  assert.ok(files.length >= 2)
  for (const [, text] of files)
    await readPolicy(text ?? '', {
      profiles: new Map([['server', facts]]),
      directories: new Set(['default']),
      now: new Date(),
    })
})
