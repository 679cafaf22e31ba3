import assert from 'node:assert/strict'
import { test } from 'node:test'
import { numberParameters, StatementCache } from './statements.ts'

test('placeholders are numbered, and question marks in quotes stay', () => {
  assert.equal(
    numberParameters(`SELECT '?' AS "what?" FROM t WHERE a = ? AND b = ? AND c = 'it''s ?'`),
    `SELECT '?' AS "what?" FROM t WHERE a = $1 AND b = $2 AND c = 'it''s ?'`,
  )
})

test('a statement has one name in every process, and texts without end do not fill the server', () => {
  const [one, other] = [new StatementCache(), new StatementCache()]
  assert.deepEqual(one.translate('SELECT ?'), other.translate('SELECT ?'))
  assert.notEqual(one.translate('SELECT ?').name, one.translate('SELECT 1, ?').name)
  const named = Array.from({ length: 2000 }, (_, index) => one.translate(`SELECT ${index}`).name)
  assert.ok(named.filter((name) => name !== undefined).length <= 500)
  assert.equal(one.translate('SELECT 1999').text, 'SELECT 1999')
})
