import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SeededRandom } from '../../../test/support/seeded-random.ts'
import { dnsPattern, emailParts, emailPattern, uriParts, uriPattern } from './name-parts.ts'
import { holdsSequence } from './sequence-pattern.ts'

test('a URI falls into scheme, authority and segments, and has one spelling only', () => {
  assert.deepEqual(uriParts('spiffe://corp.test/ns/a/sa/web'), ['spiffe', 'corp.test', 'ns', 'a', 'sa', 'web'])
  assert.deepEqual(uriParts('spiffe://corp.test'), ['spiffe', 'corp.test'])
  const others = [
    '',
    'spiffe',
    'spiffe:/corp.test/a',
    '://corp.test/a',
    'SPIFFE://corp.test/a',
    'spiffe://Corp.test/a',
    'spiffe:///a',
    'spiffe://corp.test/',
    'spiffe://corp.test/a/',
    'spiffe://corp.test//a',
    'spiffe://corp.test/./a',
    'spiffe://corp.test/a/..',
    'spiffe://corp.test/a?b',
    'spiffe://corp.test/a#b',
    'spiffe://corp.test/%61',
    'spiffe://corp.test/a b',
    'spiffe://corp.test/a\n',
    'spiffe://corp.test/*',
    'spiffe://corp.test:443/a',
    'spiffe://u@corp.test/a',
    'spiffe://corp.test/ä',
    'urn:uuid:0',
    `spiffe://corp.test/${'a/'.repeat(2000)}a`,
  ]
  for (const uri of others) assert.equal(uriParts(uri), undefined, uri.slice(0, 60))
})

test('an address falls into domain and local part', () => {
  assert.deepEqual(emailParts('ann.b+x@corp.test'), ['test', 'corp', '@', 'ann.b+x'])
  for (const text of ['', '@', 'ann', 'ann@', '@corp.test', 'ann@Corp.test', 'a b@corp.test', '*@corp.test', 'a@b@c d'])
    assert.equal(emailParts(text), undefined, text)
})

test('patterns are read with all that they hold, and nothing that only looks alike', () => {
  const cases = [
    [
      uriPattern('spiffe://corp.test/ns/*/sa/web'),
      uriParts,
      ['spiffe://corp.test/ns/a/sa/web'],
      ['spiffe://corp.test/ns/a/b/sa/web', 'spiffe://evil.test/ns/a/sa/web', 'spiffe://corp.test/ns/a/sa/webx'],
    ],
    [
      uriPattern('spiffe://corp.test/**'),
      uriParts,
      ['spiffe://corp.test/a', 'spiffe://corp.test/a/b'],
      ['spiffe://corp.test', 'https://corp.test/a'],
    ],
    [emailPattern('*@corp.test'), emailParts, ['ann@corp.test'], ['ann@x.corp.test', 'ann@evilcorp.test']],
    [
      emailPattern('ann@**.corp.test'),
      emailParts,
      ['ann@x.corp.test', 'ann@y.x.corp.test'],
      ['ann@corp.test', 'bob@x.corp.test'],
    ],
  ] as const
  for (const [pattern, parts, held, others] of cases) {
    for (const name of held) assert.ok(holdsSequence(pattern, parts(name) ?? []), name)
    for (const name of others) assert.equal(holdsSequence(pattern, parts(name) ?? []), false, name)
  }
})

test('what is no pattern is refused with the text and the fault', () => {
  for (const text of ['', '*', 'a*.test', '**.a.**.test', 'a..test', '.test', 'a b.test', 'evil\n.test'])
    if (text !== '*') assert.throws(() => dnsPattern(text), Error, text)
  for (const text of [
    '',
    'spiffe://*/a',
    'spiffe://**',
    'corp.test/a',
    'spiffe://corp.test/a*',
    'spiffe://corp.test/**/x/**',
  ])
    assert.throws(() => uriPattern(text), Error, text)
  for (const text of ['', 'corp.test', 'a*@corp.test', '*@', '@corp.test'])
    assert.throws(() => emailPattern(text), Error, text)
})

test('KF-F11 the readers are total over any text', () => {
  const random = new SeededRandom('any text')
  for (let i = 0; i < 5000; i++) {
    const text = random.bytes(random.bytes(1).readUInt8() % 40).toString('latin1')
    for (const read of [uriParts, emailParts]) assert.doesNotThrow(() => read(text))
    for (const read of [dnsPattern, uriPattern, emailPattern]) {
      try {
        read(text)
      } catch (error) {
        assert.ok(error instanceof Error && error.message.length < 600)
      }
    }
  }
})
