import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Answer, decode, encode } from 'dns-packet'
import { DnsError } from './dns-error.ts'
import { decodeMessage, encodeQuery } from './message.ts'
import { encodeName, readName } from './name.ts'

/** Repeatable noise. */
function noise(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
}

function response(answers: Answer[]): Buffer {
  return encode({ type: 'response', id: 7, questions: [{ name: 'x.test', type: 'TXT' }], answers })
}

function isMalformed(error: unknown): boolean {
  return error instanceof DnsError && error.code === 'malformed'
}

test('a query reads the same to another implementation: one question, recursion, AD and DO', () => {
  const packet = decode(encodeQuery(0x1234, { name: '_acme-challenge.X.test', type: 'TXT' }))
  assert.equal(packet.id, 0x1234)
  assert.equal(packet.type, 'query')
  assert.equal(packet.flags, 0x0120)
  assert.deepEqual(packet.questions, [{ name: '_acme-challenge.X.test', type: 'TXT', class: 'IN' }])
  assert.equal(packet.additionals?.[0]?.flag_do, true)
})

test('answers of another implementation are read, and other types and classes are left out', () => {
  const message = decodeMessage(
    response([
      { name: 'x.test', type: 'A', ttl: 9, data: '192.0.2.1' },
      { name: 'x.test', type: 'AAAA', data: '2001:db8::1' },
      { name: 'x.test', type: 'CNAME', data: 'y.test' },
      { name: 'x.test', type: 'NS', data: 'ns.test' },
      { name: 'x.test', type: 'A', class: 'CH', data: '192.0.2.2' },
    ]),
  )
  assert.deepEqual(
    message.answers.map(({ type }) => type),
    ['A', 'AAAA', 'CNAME'],
  )
  assert.deepEqual(message.answers[0], { name: 'x.test', ttl: 9, type: 'A', address: Buffer.of(192, 0, 2, 1) })
})

test('KF-A18 the character-strings of one TXT record are joined, empty ones too, and records stay apart', () => {
  const message = decodeMessage(
    response([
      { name: 'x.test', type: 'TXT', data: ['ab', '', 'cd'] },
      { name: 'x.test', type: 'TXT', data: [''] },
      { name: 'x.test', type: 'TXT', data: ['abcd'] },
    ]),
  )
  const texts = message.answers.map((record) => (record.type === 'TXT' ? record.text.toString() : ''))
  assert.deepEqual(texts, ['abcd', '', 'abcd'])
})

test('KF-F09 every prefix of a good message is refused as malformed', () => {
  const whole = response([
    { name: 'x.test', type: 'TXT', data: ['one', 'two'] },
    { name: 'x.test', type: 'CNAME', data: 'y.x.test' },
  ])
  decodeMessage(whole)
  for (let length = 0; length < whole.length; length++) {
    assert.throws(() => decodeMessage(whole.subarray(0, length)), isMalformed, `${length} octets`)
  }
  assert.throws(() => decodeMessage(Buffer.concat([whole, Buffer.of(0)])), isMalformed)
})

test('KF-F09 no bytes do anything but parse or be refused', () => {
  const random = noise(1)
  const seed = response([
    { name: 'x.test', type: 'TXT', data: ['one', 'two'] },
    { name: 'a.b.x.test', type: 'CNAME', data: 'c.x.test' },
    { name: 'c.x.test', type: 'AAAA', data: '2001:db8::1' },
  ])
  let refused = 0
  for (let round = 0; round < 20_000; round++) {
    const bytes = Buffer.from(seed)
    for (let i = 0; i < 1 + random() * 6; i++) bytes[Math.floor(random() * bytes.length)] = Math.floor(random() * 256)
    try {
      decodeMessage(bytes)
    } catch (error) {
      if (!(error instanceof DnsError)) throw error
      refused++
    }
  }
  assert.ok(refused > 1_000, 'the fuzzer reached the refusals')
})

test('KF-F09 compression pointers that point at themselves, forwards or in a circle are refused', () => {
  const header = Buffer.from('000784000001000100000000', 'hex')
  const tail = Buffer.from('0010000100000000000461626364', 'hex')
  const question = Buffer.from('01780000100001', 'hex')
  for (const [what, pointer] of [
    ['itself', 'c013'],
    ['forwards', 'c020'],
    ['beyond the end', 'ffff'],
  ] as const) {
    const bytes = Buffer.concat([header, question, Buffer.from(pointer, 'hex'), tail])
    assert.throws(() => decodeMessage(bytes), /does not point backwards/, what)
  }
  assert.throws(() => readName(Buffer.from('016102c000c000', 'hex'), 5), isMalformed)
})

test('KF-F09 a long chain of backward pointers costs little and is refused', () => {
  const chain = Buffer.alloc(4000)
  for (let at = 2; at < chain.length; at += 2) chain.writeUInt16BE(0xc000 | (at - 2), at)
  assert.throws(() => readName(chain, chain.length - 2), isMalformed)
})

test('KF-F09 more than 1024 records are refused before they are read', () => {
  const bytes = Buffer.concat([Buffer.from('000784000001040100000000', 'hex'), Buffer.from('01780000100001', 'hex')])
  assert.throws(() => decodeMessage(bytes), /more than 1024 records/)
})

test('a dot within a label is not taken for a border between labels', () => {
  const wire = Buffer.from('03612e62047465737400', 'hex')
  assert.equal(readName(wire, 0).text, 'a\\046b.test')
})

test('names that DNS cannot carry are refused before they are asked for', () => {
  const tooLong = `${Array.from({ length: 4 }, () => 'a'.repeat(63)).join('.')}.test`
  for (const name of ['', 'a..test', `${'a'.repeat(64)}.test`, tooLong, 'a\\046b.test', 'a b.test']) {
    assert.throws(() => encodeName(name), isMalformed, name)
  }
})

test('KF-A03 a truncated answer gives no records, even when some are in it', () => {
  const bytes = response([{ name: 'x.test', type: 'TXT', data: ['half'] }])
  bytes.writeUInt16BE(bytes.readUInt16BE(2) | 0x0200, 2)
  const message = decodeMessage(bytes)
  assert.equal(message.truncated, true)
  assert.deepEqual(message.answers, [])
})
