import assert from 'node:assert/strict'
import { test } from 'node:test'
import { baseName, distinctIdentifiers, type Identifier, isWildcard, parseIdentifier } from './identifier.ts'

const parsed = (type: string, value: string): Identifier => {
  const result = parseIdentifier({ type, value })
  assert.ok(result.ok, `${type} ${value}`)
  return result.identifier
}
const problem = (type: string, value: string): string => {
  const result = parseIdentifier({ type, value })
  assert.ok(!result.ok, `${type} ${value}`)
  return result.problem
}

test('CQ-O08 a DNS identifier is lower-cased; a wildcard is kept', () => {
  assert.deepEqual(parsed('dns', 'WWW.Example.Test'), { type: 'dns', value: 'www.example.test' })
  assert.deepEqual(parsed('dns', '*.A.test'), { type: 'dns', value: '*.a.test' })
  assert.deepEqual(parsed('ip', '10.0.0.1'), { type: 'ip', value: '10.0.0.1' })
})

test('CQ-O09 an address sent as type dns is refused, saying to use type ip', () => {
  for (const value of ['10.0.0.1', '127.1', '::1', '[::1]', '0x7f.1']) {
    const result = parseIdentifier({ type: 'dns', value })
    assert.ok(!result.ok)
    assert.equal(result.problem, 'rejectedIdentifier')
    assert.match(result.detail, /type "ip"/)
  }
})

test('KF-A24 KF-A27 what is not well-formed is malformed, and other types are unsupported', () => {
  assert.equal(problem('dns', 'a_b.test'), 'malformed')
  assert.equal(problem('dns', ''), 'malformed')
  assert.equal(problem('dns', 'a.*.test'), 'malformed')
  assert.equal(problem('ip', '010.0.0.1'), 'malformed')
  assert.equal(problem('ip', '*.10.0.0.1'), 'malformed')
  assert.equal(problem('ip', '::ffff:1.2.3.4'), 'malformed')
  assert.equal(problem('ip', 'fe80::1%eth0'), 'malformed')
  assert.equal(problem('ip', 'a.test'), 'malformed')
  for (const type of ['tn', 'DNS', '', '__proto__', 'constructor']) {
    assert.equal(problem(type, 'a.test'), 'unsupportedIdentifier')
  }
})

test('a refusal repeats hostile text only as short printable ASCII', () => {
  const result = parseIdentifier({ type: 'dns', value: `\u202e\r\n\0"<script>${'ü'.repeat(10_000)}` })
  assert.ok(!result.ok)
  assert.ok(result.detail.length < 400)
  assert.match(result.detail, /^[\x20-\x7e]*$/)
})

test('KF-A28 CQ-O07 identifiers in other case are one after parsing, in the order they came', () => {
  const all = [parsed('dns', 'b.test'), parsed('dns', 'A.test'), parsed('dns', 'a.TEST'), parsed('dns', '*.a.test')]
  assert.deepEqual(
    distinctIdentifiers([...all, parsed('dns', 'B.test')]).map((i) => i.value),
    ['b.test', 'a.test', '*.a.test'],
  )
  assert.deepEqual(distinctIdentifiers([]), [])
})

test('the base name of a wildcard is the name below it', () => {
  assert.equal(baseName(parsed('dns', '*.a.test')), 'a.test')
  assert.equal(baseName(parsed('dns', 'a.test')), 'a.test')
  assert.equal(baseName(parsed('ip', '10.0.0.1')), '10.0.0.1')
  assert.equal(isWildcard(parsed('dns', '*.a.test')), true)
  assert.equal(isWildcard(parsed('dns', 'a.test')), false)
})

test('a mail address keeps the case of its name and loses that of its domain; what could be a pattern is refused', () => {
  assert.deepEqual(parsed('email', 'Ann.Lee@Corp.TEST'), { type: 'email', value: 'Ann.Lee@corp.test' })
  for (const value of ['ann', '@corp.test', 'ann@', '*@corp.test', 'a b@corp.test', 'a..b@corp.test', '"a"@corp.test'])
    assert.equal(problem('email', value), 'malformed', value)
  for (const value of ['ann@10.0.0.1', 'ann@*.corp.test', 'ann@corp_test', 'ann@corp.test\n', 'änn@corp.test'])
    assert.equal(problem('email', value), 'malformed', value)
  assert.equal(problem('email', `${'a'.repeat(65)}@corp.test`), 'malformed')
})
