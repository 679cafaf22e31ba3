import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readIdentifiers } from './identifiers.ts'
import { AcmeError } from './problem.ts'

const dns = (value: string) => ({ type: 'dns', value })

function refusal(value: Parameters<typeof readIdentifiers>[0], limit = 100): AcmeError {
  try {
    readIdentifiers(value, limit)
  } catch (error) {
    assert.ok(error instanceof AcmeError)
    return error
  }
  return assert.fail('it was accepted')
}

test('CQ-O07 KF-A28 a name given three times, in any case, is one identifier at its first place', () => {
  const read = readIdentifiers([dns('B.test'), dns('a.test'), dns('b.test'), dns('A.TEST'), dns('b.TEST')], 100)
  assert.deepEqual(read, [dns('b.test'), dns('a.test')])
})

test('CQ-O08 upper-case letters are lower-cased', () => {
  assert.deepEqual(readIdentifiers([dns('WWW.Example.Test')], 100), [dns('www.example.test')])
})

test('KF-A28 overlapping names stay two identifiers', () => {
  assert.equal(readIdentifiers([dns('*.a.test'), dns('www.a.test')], 100).length, 2)
})

test('KF-F03 one name more than the limit is refused before any name is looked at', () => {
  const names = Array.from({ length: 100 }, (_, i) => dns(`n${i}.test`))
  assert.equal(readIdentifiers(names, 100).length, 100)
  // The extra entry would be a subproblem of its own if it were read.
  const error = refusal([...names, dns('not a name')])
  assert.equal(error.type, 'malformed')
  assert.match(error.message, /101.*100/)
  assert.equal(error.options.subproblems, undefined)
})

test('identifiers that are missing, empty or no array are malformed', () => {
  for (const value of [undefined, null, [], 'a.test', { type: 'dns', value: 'a.test' }]) {
    assert.equal(refusal(value).type, 'malformed')
  }
})

test('entries that are no identifier objects are malformed, and named by their place', () => {
  for (const entry of [null, 'a.test', 7, [], {}, { type: 'dns' }, { value: 'a.test' }, { type: 'dns', value: 7 }]) {
    const error = refusal([dns('a.test'), entry])
    assert.equal(error.type, 'malformed')
    assert.match(error.message, /identifiers\[1\]/)
  }
})

test('every bad identifier is reported at once, with a subproblem that names it as the client wrote it', () => {
  const error = refusal([dns('good.test'), dns('Bad_1.test'), dns('10.0.0.1'), { type: 'tn', value: 'a@b.test' }])
  assert.deepEqual(
    error.options.subproblems?.map(({ type, identifier }) => [type, identifier]),
    [
      ['malformed', { type: 'dns', value: 'Bad_1.test' }],
      ['rejectedIdentifier', { type: 'dns', value: '10.0.0.1' }],
      ['unsupportedIdentifier', undefined],
    ],
  )
  assert.equal(error.type, 'compound')
  assert.equal(error.status, 403)
})

test('when all are bad for one reason, that is the type of the whole', () => {
  assert.equal(refusal([dns('a..test'), dns('-b.test')]).type, 'malformed')
  const unsupported = refusal([{ type: 'tn', value: 'a@b.test' }])
  assert.equal(unsupported.type, 'unsupportedIdentifier')
  assert.equal(unsupported.status, 400)
})

test('CQ-O09 an address sent as dns is rejected with the advice to use type ip', () => {
  const error = refusal([dns('192.168.1.10')])
  assert.equal(error.type, 'rejectedIdentifier')
  assert.match(error.message, /type "ip"/)
})

test('KF-A27 addresses are taken in canonical form only', () => {
  const ip = (value: string) => ({ type: 'ip', value })
  assert.deepEqual(readIdentifiers([ip('10.0.0.1'), ip('fd00::1')], 100), [ip('10.0.0.1'), ip('fd00::1')])
  for (const value of ['010.0.0.1', '::ffff:1.2.3.4', 'fe80::1%eth0', '[fd00::1]', 'FD00::1', '*.10.0.0.1', '10.1']) {
    assert.equal(refusal([ip(value)]).type, 'malformed', value)
  }
})

test('KF-A24 hostile names never throw anything but a refusal', () => {
  const hostile = [
    '',
    '*',
    '*.',
    '.',
    'a.*.test',
    '\u0000',
    'ａ.test',
    'x'.repeat(100_000),
    '__proto__',
    'xn--a.test',
    '*.*.a.test',
  ]
  for (const value of hostile) assert.ok(refusal([dns(value)]).options.subproblems, JSON.stringify(value).slice(0, 40))
  assert.equal(refusal([dns('x'.repeat(100_000))]).options.subproblems?.[0]?.identifier, undefined)
})
