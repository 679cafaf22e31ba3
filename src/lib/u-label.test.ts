import assert from 'node:assert/strict'
import { test } from 'node:test'
import { domainToASCII } from 'node:url'
import { decodeALabel } from './u-label.ts'

test('an A-label decodes to its U-label', () => {
  assert.equal(decodeALabel('xn--bcher-kva'), 'bücher')
  assert.equal(decodeALabel('xn--fa-hia'), 'faß')
  assert.equal(decodeALabel('xn--wgv71a119e'), '日本語')
})

test('KF-A24 a label that is not an A-label does not decode', () => {
  for (const label of ['bucher', 'xn--', 'xn--a', 'xn--abc-', 'xn--bcher-kvA', 'xn--ls8h', `xn--${'a'.repeat(60)}`]) {
    assert.equal(decodeALabel(label), undefined, label)
  }
})

test('KF-A24 characters that IDNA2008 allows only among certain neighbours are refused elsewhere', () => {
  const cases: readonly (readonly [string, boolean])[] = [
    ['l·l', true],
    ['a·b', false],
    ['\u0375α', true],
    ['\u0375a', false],
    ['א\u05f3', true],
    ['ア\u30fbイ', true],
    ['a\u30fbb', false],
    ['ا\u0660', true],
    ['ا\u0660\u06f0', false],
    ['ا\u0640ب', false],
    ['☃', false],
  ]
  for (const [text, valid] of cases) {
    const ascii = domainToASCII(text)
    assert.equal(decodeALabel(ascii) !== undefined, valid, `${text} ${ascii}`)
  }
})
