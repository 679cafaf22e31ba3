import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isCanonicalPath, originForm } from './exchange.ts'

test('KF-F19 only the one spelling in which paths are handed out is canonical', () => {
  for (const path of [
    '/directory',
    '/acme/default/order/ord_A-_z09/finalize',
    '/root.pem',
    '/crl/0a1b.crl',
    '/.well-known/acme-challenge/x',
    '/a..b',
  ]) {
    assert.equal(isCanonicalPath(path), true, path)
  }
  const others = [
    '',
    '/',
    '//',
    '/a/',
    '/a//b',
    '//a',
    '/./a',
    '/a/.',
    '/../a',
    '/a/..',
    '/a/../b',
    '/%2e%2e/a',
    '/a%2fb',
    '/%61',
    '/a b',
    '/a\\b',
    '/a;b',
    '/a\u0000',
    '/é',
    'a',
    '*',
    '/a#b',
  ]
  for (const path of others) assert.equal(isCanonicalPath(path), false, path)
})

test('an absolute-form target is read as its path; its authority decides nothing', () => {
  assert.equal(originForm('/a?b'), '/a?b')
  assert.equal(originForm('https://evil.test/a?b'), '/a?b')
  assert.equal(originForm('HTTP://evil.test:1'), '/')
  assert.equal(originForm('*'), '*')
  assert.equal(originForm('ftp://x/a'), 'ftp://x/a')
})

test('KF-F11 a long hostile path is judged in linear time', () => {
  assert.equal(isCanonicalPath(`/${'a/'.repeat(100_000)}`), false)
  assert.equal(isCanonicalPath(`${'/.a'.repeat(100_000)}%`), false)
})
