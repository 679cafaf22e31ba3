import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readContacts } from './contacts.ts'
import type { JsonValue } from './endpoint.ts'
import { AcmeError } from './problem.ts'

function refused(value: JsonValue, type: string): string {
  try {
    readContacts(value, 3)
  } catch (error) {
    assert.ok(error instanceof AcmeError)
    assert.equal(error.type, type, `${JSON.stringify(value)}: ${error.message}`)
    return error.message
  }
  return assert.fail(`accepted: ${JSON.stringify(value)}`)
}

test('CQ-A01 absent, null and [] are all "no contact", but only absent leaves an update unchanged', () => {
  assert.equal(readContacts(undefined, 3), undefined)
  assert.deepEqual(readContacts(null, 3), [])
  assert.deepEqual(readContacts([], 3), [])
})

test('plain mailto addresses are kept, with scheme and domain in lower case', () => {
  assert.deepEqual(readContacts(['mailto:a.b+c@example.test', 'MAILTO:Ops@Example.TEST'], 3), [
    'mailto:a.b+c@example.test',
    'mailto:Ops@example.test',
  ])
})

test('KF-B21 header fields, several addresses, newlines and over-long or malformed addresses are invalidContact', () => {
  const values = [
    'mailto:a@b.test?subject=x',
    'mailto:a@b.test?bcc=c@d.test',
    'mailto:a@b.test,c@d.test',
    'mailto:a@b.test\r\nBcc: c@d.test',
    'mailto:',
    'mailto:a',
    'mailto:@b.test',
    'mailto:a@',
    'mailto:a@b@c.test',
    'mailto:a b@c.test',
    'mailto:"a"@b.test',
    'mailto:a%2Cb@c.test',
    'mailto:a@[127.0.0.1]',
    'mailto:a@127.0.0.1',
    'mailto:é@b.test',
    'mailto:a@bücher.test',
    'mailto:a@*.test',
    `mailto:${'a'.repeat(65)}@b.test`,
    `mailto:a@${'b'.repeat(64)}.test`,
    'mailto:a..b@c.test',
    '',
    'a@b.test',
    'mailto:\0a@b.test',
    `mailto:a@${'b.'.repeat(5000)}test`,
  ]
  for (const value of values) refused([value], 'invalidContact')
  assert.match(
    refused(
      Array.from({ length: 4 }, (_, i) => `mailto:a${i}@b.test`),
      'invalidContact',
    ),
    /more than 3/,
  )
})

test('another scheme is unsupportedContact, and the detail names the one that does', () => {
  for (const value of ['tel:+4912345', 'https://example.test/', 'javascript:alert(1)']) {
    assert.match(refused([value], 'unsupportedContact'), /mailto:/)
  }
})

test('what is not an array of text is malformed', () => {
  for (const value of ['mailto:a@b.test', 1, true, {}, [1], [null], [['mailto:a@b.test']]] as JsonValue[])
    refused(value, 'malformed')
})
