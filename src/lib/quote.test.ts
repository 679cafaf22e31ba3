import assert from 'node:assert/strict'
import { test } from 'node:test'
import { quote, quoteUrl } from './quote.ts'

test('hostile text is repeated quoted, as printable ASCII, and short', () => {
  assert.equal(quote('a.test'), '"a.test"')
  assert.equal(quote('a"b\n\u202e'), '"a\\"b\\n?"')
  assert.equal(quote('x'.repeat(100)), `"${'x'.repeat(80)}..."`)
  assert.equal(quoteUrl('x'.repeat(200)), `"${'x'.repeat(200)}"`)
  assert.equal(quoteUrl('x'.repeat(201)), `"${'x'.repeat(200)}..."`)
  assert.match(quote(`${'é'.repeat(79)}"\0`), /^[\x20-\x7e]+$/)
})
