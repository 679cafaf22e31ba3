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

test('KF-A24 letters and marks that IDNA2008 takes from names all the same are refused (RFC 5892 §2.7, §2.9)', () => {
  for (const label of [
    'xn--ypd', // U+1100, a piece of a Hangul syllable
    'xn--aa-dmk', // a, U+1100, a
    'xn--hk9a', // U+A960, extended jamo
    'xn--778b', // U+D7B0
    'xn--aa-cju', // a, U+20D0 combining for symbols, a
    'xn--aa-fq50a', // a, U+1D165 combining of music, a
  ])
    assert.equal(decodeALabel(label), undefined, label)
  assert.equal(decodeALabel('xn--3e0b707e'), '\ud55c\uad6d')
})
