import assert from 'node:assert/strict'
import { test } from 'node:test'
import { printable, printableJson } from './printable.ts'

test('text for people stays as it is, in any script', () => {
  for (const text of ['', 'www.corp.test', 'Zürich', '東京', '"a\\b"', 'a b', '🔑']) assert.equal(printable(text), text)
})

test('nothing that controls a terminal gets to it', () => {
  assert.equal(printable('a\u001b[2Jb\r\n'), 'a\\u{1b}[2Jb\\u{d}\\u{a}')
  assert.equal(printable('\u009b31m'), '\\u{9b}31m')
  assert.equal(printable('\u202egnp.exe\u2066'), '\\u{202e}gnp.exe\\u{2066}')
  assert.equal(printable('a\u200bb\u2028c\ud800'), 'a\\u{200b}b\\u{2028}c\\u{d800}')
})

test('JSON is read again as it was, and holds nothing but printable ASCII', () => {
  const value = { a: 'Zürich \u009b \u202e \u007f 🔑', at: new Date(0), list: [1, null] }
  const text = printableJson(value)
  assert.match(text, /^[\n\x20-\x7e]*$/)
  assert.deepEqual(JSON.parse(text), { ...value, at: '1970-01-01T00:00:00.000Z' })
})
