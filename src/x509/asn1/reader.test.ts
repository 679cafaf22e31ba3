import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DerError } from './der-error.ts'
import { DerReader } from './reader.ts'

const from = (hex: string): DerReader => new DerReader(Buffer.from(hex.replaceAll(' ', ''), 'hex'))

/** What each row shows is wrong; `read` is what a parser would do with the bytes. */
const REFUSED: readonly [why: string, hex: string, read: (reader: DerReader) => unknown][] = [
  ['an indefinite length', '30 80 02 01 01 00 00', (r) => r.sequence()],
  ['a long-form length below 128', '04 81 01 aa', (r) => r.octetString()],
  ['a length with a leading zero octet', `04 82 00 80 ${'00'.repeat(128)}`, (r) => r.octetString()],
  ['a length of five octets', '04 85 00 00 00 00 01 aa', (r) => r.octetString()],
  ['a length of eight octets', '04 88 00 00 00 00 00 00 00 01 aa', (r) => r.octetString()],
  ['a length of 126 octets', `04 fe ${'00'.repeat(126)}`, (r) => r.octetString()],
  ['the reserved length octet', `04 ff ${'00'.repeat(127)}`, (r) => r.octetString()],
  ['a high tag number', '1f 81 01 00', (r) => r.element()],
  ['a header cut short', '30', (r) => r.sequence()],
  ['a length cut short', '30 82 01', (r) => r.sequence()],
  ['content cut short', '04 02 aa', (r) => r.octetString()],
  ['an element that reaches out of its parent', '30 03 04 02 aa bb', (r) => r.sequence().octetString()],
  ['nothing at all', '', (r) => r.element()],
  ['trailing bytes', '05 00 00', (r) => [r.null(), r.end()]],
  ['a constructed OCTET STRING', '24 04 04 02 aa bb', (r) => r.element()],
  ['a constructed string inside of something unread', '30 06 24 04 04 02 aa bb', (r) => r.element()],
  ['a primitive SEQUENCE', '10 00', (r) => r.element()],
  ['end-of-contents octets', '30 02 00 00', (r) => r.element()],
  ['an unread element that reaches out of its parent', '30 04 30 03 04 00', (r) => r.element()],
  ['BOOLEAN 01', '01 01 01', (r) => r.boolean()],
  ['BOOLEAN of two octets', '01 02 ff ff', (r) => r.boolean()],
  ['FALSE written where it is the default', '01 01 00', (r) => r.booleanDefaultFalse()],
  ['an empty INTEGER', '02 00', (r) => r.integer()],
  ['a padded positive INTEGER', '02 02 00 7f', (r) => r.integer()],
  ['a padded negative INTEGER', '02 02 ff 80', (r) => r.integer()],
  ['a negative number where a count belongs', '02 01 ff', (r) => r.smallInteger()],
  ['a number of five octets where a count belongs', '02 05 01 00 00 00 00', (r) => r.smallInteger()],
  ['NULL with content', '05 01 00', (r) => r.null()],
  ['a BIT STRING without a count of unused bits', '03 00', (r) => r.bitString()],
  ['a BIT STRING with 8 unused bits', '03 02 08 00', (r) => r.bitString()],
  ['unused bits of no octet', '03 01 01', (r) => r.bitString()],
  ['unused bits that are set', '03 02 01 81', (r) => r.bitString()],
  ['unused bits in a BIT STRING of octets', '03 02 01 80', (r) => r.octetAlignedBitString()],
  ['named bits ending in zeros', '03 02 00 80', (r) => r.namedBits()],
  ['named bits without a bit but with an octet', '03 02 07 00', (r) => r.namedBits()],
  ['an empty OID', '06 00', (r) => r.oid()],
  ['an OID with an unfinished arc', '06 02 2a 86', (r) => r.oid()],
  ['an OID with a padded arc', '06 03 2a 80 01', (r) => r.oid()],
  ['an OID of 65 octets', `06 41 ${'2a'.repeat(65)}`, (r) => r.oid()],
  ['UTCTime without seconds', `17 0b ${Buffer.from('2601010000Z').toString('hex')}`, (r) => r.time()],
  ['UTCTime with an offset', `17 11 ${Buffer.from('260101000000+0100').toString('hex')}`, (r) => r.time()],
  ['UTCTime on 30 February', `17 0d ${Buffer.from('260230000000Z').toString('hex')}`, (r) => r.time()],
  ['UTCTime in month 13', `17 0d ${Buffer.from('261301000000Z').toString('hex')}`, (r) => r.time()],
  ['UTCTime with second 60', `17 0d ${Buffer.from('261231235960Z').toString('hex')}`, (r) => r.time()],
  ['UTCTime at 24:00', `17 0d ${Buffer.from('261231240000Z').toString('hex')}`, (r) => r.time()],
  ['a fraction of a second', `18 11 ${Buffer.from('20510101000000.5Z').toString('hex')}`, (r) => r.time()],
  ['GeneralizedTime before 2050', `18 0f ${Buffer.from('20491231235959Z').toString('hex')}`, (r) => r.time()],
  ['text with a NUL', '0c 03 61 00 62', (r) => r.text()],
  ['text with a control character', '13 03 61 0a 62', (r) => r.text()],
  ['text with DEL', '16 01 7f', (r) => r.text()],
  ['UTF-8 with a C1 control character', '0c 02 c2 85', (r) => r.text()],
  ['UTF-8 that is overlong', '0c 02 c1 81', (r) => r.text()],
  ['UTF-8 with a surrogate', '0c 03 ed a0 80', (r) => r.text()],
  ['T61String above ASCII', '14 01 e4', (r) => r.text()],
  ['BMPString', '1e 02 00 61', (r) => r.text()],
  ['UniversalString', '1c 04 00 00 00 61', (r) => r.text()],
  ['a constructed string', '2c 03 0c 01 61', (r) => r.text()],
]

for (const [why, hex, read] of REFUSED) {
  test(`KF-C16 refused: ${why}`, () => assert.throws(() => read(from(hex)), DerError))
}

test('each type is read as it was meant', () => {
  assert.equal(from('01 01 ff').boolean(), true)
  assert.equal(from('02 01 00').smallInteger(), 0)
  assert.equal(from('02 04 7f ff ff ff').smallInteger(), 2 ** 31 - 1)
  assert.equal(from('02 02 00 80').integer().toString('hex'), '0080')
  assert.deepEqual(from('03 02 01 82').namedBits(), [0, 6])
  assert.deepEqual(from('03 01 00').namedBits(), [])
  assert.equal(from('06 09 2a 86 48 86 f7 0d 01 01 0b').oid(), '1.2.840.113549.1.1.11')
  assert.equal(from('06 02 88 37').oid(), '2.999')
  assert.equal(from('0c 03 c3 a4 62').text(), 'äb')
  assert.equal(
    from(`17 0d ${Buffer.from('491231235959Z').toString('hex')}`)
      .time()
      .toISOString(),
    '2049-12-31T23:59:59.000Z',
  )
  assert.equal(
    from(`17 0d ${Buffer.from('500101000000Z').toString('hex')}`)
      .time()
      .toISOString(),
    '1950-01-01T00:00:00.000Z',
  )
  assert.equal(
    from(`18 0f ${Buffer.from('99991231235959Z').toString('hex')}`)
      .time()
      .toISOString(),
    '9999-12-31T23:59:59.000Z',
  )
})

test('KF-F10 ten thousand nested elements are refused without recursion, kept unread or entered one by one', () => {
  let bomb = Buffer.alloc(0)
  for (let depth = 0; depth < 10_000; depth++) {
    const length = bomb.length < 128 ? Buffer.of(bomb.length) : Buffer.of(0x82, bomb.length >> 8, bomb.length & 0xff)
    bomb = Buffer.concat([Buffer.of(0x30), length, bomb])
  }
  assert.ok(bomb.length < 65_536)
  assert.throws(() => new DerReader(bomb).element(), /nested more than 16 deep/)
  assert.throws(() => {
    let reader = new DerReader(bomb)
    for (;;) reader = reader.sequence()
  }, /nested more than 16 deep/)
})

test('KF-F10 sixteen levels pass and seventeen do not, counted together with the levels already entered', () => {
  const nested = (levels: number): Buffer => {
    let inner = Buffer.alloc(0)
    for (let level = 0; level < levels; level++) inner = Buffer.concat([Buffer.of(0x30, inner.length), inner])
    return inner
  }
  assert.equal(new DerReader(nested(16)).element().length, 32)
  assert.throws(() => new DerReader(nested(17)).element(), DerError)
  assert.equal(new DerReader(nested(16)).sequence().element().length, 30)
  assert.throws(() => new DerReader(nested(17)).sequence().element(), DerError)
})

test('KF-F10 a length field of 1 GB or 4 GB is refused and no memory is set aside for it', () => {
  const before = process.memoryUsage().arrayBuffers
  for (const header of ['04 84 40 00 00 00', '30 84 40 00 00 00', '30 84 ff ff ff ff']) {
    assert.throws(() => from(`${header} 00`).element(), /longer than what holds it/)
  }
  assert.ok(process.memoryUsage().arrayBuffers - before < 1 << 20)
})

test('KF-F10 input over the cap is refused unread', () => {
  assert.throws(() => new DerReader(Buffer.alloc(65_537)), /longer than 65536 bytes/)
})

test('a Uint8Array that is a window into a larger buffer is read as the window only', () => {
  const larger = Uint8Array.from([0xff, 0x02, 0x01, 0x05, 0xff])
  const reader = new DerReader(larger.subarray(1, 4))
  assert.equal(reader.smallInteger(), 5)
  reader.end()
})
