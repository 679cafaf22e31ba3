import assert from 'node:assert/strict'
import { test } from 'node:test'
import { domainToASCII } from 'node:url'
import { isMixedScript } from './dns-name-scripts.ts'

test('KF-A26 a label that mixes scripts is flagged', () => {
  for (const text of ['pаypal', 'gοogle', 'аbc', 'αб', 'abc日', 'ᏸaб']) {
    assert.equal(isMixedScript(domainToASCII(text)), true, text)
  }
})

test('KF-A26 a label in one writing system is not flagged', () => {
  for (const text of [
    'example',
    'web-1',
    '123',
    'bücher',
    'почта',
    'ελλάδα',
    '日本語',
    'ひらカナ漢字',
    'データ',
    '한국',
    'نامه1',
  ]) {
    assert.equal(isMixedScript(domainToASCII(text)), false, text)
  }
})

test('KF-A26 a label that does not decode is flagged', () => {
  assert.equal(isMixedScript('xn--zzzzzzzz9'), true)
})
