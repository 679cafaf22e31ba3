import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

const STORE = join(import.meta.dirname, '../../src/store')

/**
 * What distributed engines that speak PostgreSQL's protocol do not have, or what a pooler in transaction mode breaks:
 * session state, notifications, places of rows on one disk, and numbers without gaps.
 */
const FORBIDDEN: readonly (readonly [RegExp, string])[] = [
  [/\badvisory/i, 'advisory locks live in one session of one server'],
  [/\b(LISTEN|NOTIFY|UNLISTEN)\b/, 'notifications live in one session'],
  [/\b(ctid|xmin|xmax|tableoid|rowid)\b/i, 'where a row is kept is nobody else’s business'],
  [/\bSELECT\s+\*|\.\*\s+FROM\b|RETURNING\s+\*/i, 'columns are named, so that a new one changes no statement'],
  [/\b(nextval|currval|lastval|setval)\b/i, 'sequences have gaps, and no order across nodes'],
  [/\bCREATE\s+TEMP|\bDECLARE\s+\w+\s+CURSOR|\bWITH\s+HOLD\b/i, 'temporary things live in one session'],
  [
    /\bSET\s+(?!LOCAL|TRANSACTION)SESSION\b|\bSET\s+search_path/i,
    'settings of a session reach the next user of a pooled one',
  ],
  [/\b(LOCK\s+TABLE|DEFERRABLE\s+INITIALLY|EXCLUDE\s+USING)\b/i, 'not on distributed engines'],
  [/\bCREATE\s+(TRIGGER|FUNCTION|PROCEDURE|EXTENSION|RULE|TYPE|DOMAIN)\b/i, 'the schema is tables and indexes'],
  [/\bJSONB?_|->>|@>|~\*?\s*\$/i, 'JSON is text to the database'],
]

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))
    .map((name) => join(folder, name))
}

test('no statement of the store needs what only a single server has', () => {
  const files = ['sql', 'postgres', 'copy', 'migrations'].flatMap((name) => filesBelow(join(STORE, name)))
  assert.ok(files.length > 25)
  for (const file of files) {
    const code = readFileSync(file, 'utf8')
      .replace(/\/\*[\s\S]*?\*\//g, '')
      .replace(/^\s*\/\/.*$/gm, '')
    for (const [pattern, why] of FORBIDDEN) assert.doesNotMatch(code, pattern, `${file}: ${why}`)
  }
})
