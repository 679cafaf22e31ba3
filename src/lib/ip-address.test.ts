import assert from 'node:assert/strict'
import { isIP } from 'node:net'
import { test } from 'node:test'
import { formatIpAddress, ipAddressBytes, looksLikeIpAddress, parseIpAddress } from './ip-address.ts'

const CANONICAL = [
  '0.0.0.0',
  '10.0.0.1',
  '127.0.0.1',
  '255.255.255.255',
  '::',
  '::1',
  '1::',
  'fe80::1',
  '2001:db8::1',
  '2001:db8:0:1:1:1:1:1',
  '2001:db8::1:0:0:1',
  '2001:0:0:1::1',
  '::102:304',
  '64:ff9b::102:304',
  'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff',
]

const NOT_CANONICAL = [
  '',
  '010.0.0.1',
  '10.0.0.01',
  '10.0.0',
  '10.0.0.1.',
  '10.0.0.256',
  '10.0.0.1/32',
  ' 10.0.0.1',
  '10.0.0.1\n',
  '0x0a.0.0.1',
  '167772161',
  '１0.0.0.1',
  '::ffff:1.2.3.4',
  '::ffff:102:304',
  '64:ff9b::1.2.3.4',
  '::1.2.3.4',
  '2001:DB8::1',
  '2001:0db8::1',
  '2001:db8:0:0:0:0:0:1',
  '2001:db8::0:1',
  '2001:db8::1:1:1:1:1',
  '2001:db8::1:0:0:0:1',
  '2001:db8::0:0:1',
  '0::1',
  '1:2:3:4:5:6:7:0:',
  '1:2:3:4:5:6:7',
  '1:2:3:4:5:6:7:8:9',
  '1::2::3',
  ':1',
  '1:',
  ':::',
  '1:2:3:4:5:6:7::8:9',
  '[::1]',
  'fe80::1%eth0',
  'fe80::1%25eth0',
  '::1:1.2.3.4:5',
  '::1.2.3',
  '::g',
  '::12345',
  '*.10.0.0.1',
  '1'.repeat(10_000),
]

test('KF-A27 canonical address text is read, and written back as it was', () => {
  for (const text of CANONICAL) {
    const parsed = parseIpAddress(text)
    assert.ok(parsed.ok, text)
    assert.equal(parsed.address, text)
    assert.equal(parsed.bytes.length, text.includes(':') ? 16 : 4)
    assert.equal(formatIpAddress(parsed.bytes), text)
  }
})

test('KF-A27 every other spelling is refused, with what to write instead where there is such', () => {
  for (const text of NOT_CANONICAL) assert.equal(parseIpAddress(text).ok, false, text.slice(0, 60))
  const upper = parseIpAddress('2001:DB8::1')
  assert.ok(!upper.ok && upper.reason.endsWith('write 2001:db8::1'))
  const mapped = parseIpAddress('::ffff:102:304')
  assert.ok(!mapped.ok && mapped.reason.endsWith('write 1.2.3.4'))
})

test('RFC 5952 §4.2 zeros are shortened once: the longest run, the first of equals, never one group', () => {
  const cases = [
    ['0:0:1:0:0:0:1:0', '0:0:1::1:0'],
    ['0:0:1:1:0:0:1:1', '::1:1:0:0:1:1'],
    ['1:0:1:1:1:1:1:1', '1:0:1:1:1:1:1:1'],
    ['1:1:1:1:1:1:0:0', '1:1:1:1:1:1::'],
    ['00ff:0:0:0:0:0:0:0', 'ff::'],
  ] as const
  for (const [text, expected] of cases) assert.equal(formatIpAddress(ipAddressBytes(text)!), expected)
})

test('RFC 5952 §5 a v4-mapped address is written with its dotted quad', () => {
  assert.equal(formatIpAddress(ipAddressBytes('::ffff:7f00:1')!), '::ffff:127.0.0.1')
})

test('only 4 or 16 bytes are an address', () => {
  for (const length of [0, 3, 5, 15, 17]) assert.throws(() => formatIpAddress(Buffer.alloc(length)), RangeError)
})

test('our reader accepts no text that the runtime does not know as an address', () => {
  for (const text of [...CANONICAL, ...NOT_CANONICAL, '1::1.2.3.4', '1:2:3:4:5:6:1.2.3.4', '::1:2:3:4:5:6:7', '1::']) {
    if (ipAddressBytes(text) !== undefined) assert.notEqual(isIP(text), 0, text)
    else assert.ok(isIP(text) === 0 || text.includes('%'), text)
  }
})

test('KF-A13 CQ-O09 anything that some resolver takes for an address looks like one', () => {
  const addresses = ['1.2.3.4', '127.1', '2130706433', '0x7f000001', '0177.0.0.1', '127.0.0.1.', '::1', '[::1]']
  for (const text of [...addresses, 'fe80::1%eth0', '::FFFF:1.2.3.4', '１２７。0。0。1', '999.1.1.1', '0x.1']) {
    assert.equal(looksLikeIpAddress(text), true, text)
  }
  for (const text of ['', 'a.test', '1.2.3.4.test', '1-2-3-4', 'abc', '1.2.3.4.5', 'cafe.test', '::zz', 'a:1']) {
    assert.equal(looksLikeIpAddress(text), false, text)
  }
})
