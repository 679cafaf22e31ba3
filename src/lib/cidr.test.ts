import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cidrContains, parseCidr } from './cidr.ts'
import { ipAddressBytes } from './ip-address.ts'

const contains = (block: string, address: string): boolean => cidrContains(parseCidr(block), ipAddressBytes(address)!)

test('a block holds the addresses of its prefix, bit by bit, and no others', () => {
  const cases: readonly (readonly [string, string, boolean])[] = [
    ['10.0.0.0/8', '10.0.0.0', true],
    ['10.0.0.0/8', '10.255.255.255', true],
    ['10.0.0.0/8', '11.0.0.0', false],
    ['10.0.0.0/8', '9.255.255.255', false],
    ['172.16.0.0/12', '172.31.255.255', true],
    ['172.16.0.0/12', '172.32.0.0', false],
    ['192.0.2.128/25', '192.0.2.127', false],
    ['192.0.2.128/25', '192.0.2.128', true],
    ['192.0.2.1/32', '192.0.2.1', true],
    ['192.0.2.1/32', '192.0.2.0', false],
    ['192.0.2.1', '192.0.2.1', true],
    ['0.0.0.0/0', '203.0.113.9', true],
    ['fc00::/7', 'fdff::1', true],
    ['fc00::/7', 'fe00::', false],
    ['2001:db8::/33', '2001:db8:8000::', false],
    ['::/0', '2001:db8::1', true],
    ['::1', '::1', true],
    ['::1/128', '::', false],
  ]
  for (const [block, address, expected] of cases)
    assert.equal(contains(block, address), expected, `${block} ${address}`)
})

test('KF-A27 families are distinct: a v4-mapped address is in no IPv4 block', () => {
  assert.equal(contains('10.0.0.0/8', '::ffff:10.0.0.1'), false)
  assert.equal(contains('0.0.0.0/0', '::ffff:10.0.0.1'), false)
  assert.equal(contains('::/0', '10.0.0.1'), false)
  assert.equal(contains('::ffff:0:0/96', '::ffff:10.0.0.1'), true)
})

test('bytes that are no address are in no block', () => {
  for (const length of [0, 1, 5, 15, 17]) {
    assert.equal(cidrContains(parseCidr('0.0.0.0/0'), Buffer.alloc(length)), false)
    assert.equal(cidrContains(parseCidr('::/0'), Buffer.alloc(length)), false)
  }
})

test('a block that is not one is refused, saying what to write', () => {
  const faults: readonly (readonly [string, RegExp])[] = [
    ['10.0.0.1/8', /write 10\.0\.0\.0\/8/],
    ['fc01::/7', /write fc00::\/7/],
    ['10.0.0.0/33', /0 to 32/],
    ['::/129', /0 to 128/],
    ['10.0.0.0/', /0 to 32/],
    ['10.0.0.0/08', /0 to 32/],
    ['10.0.0.0/-1', /0 to 32/],
    ['10.0.0.0/8/8', /0 to 32/],
    ['10.0.0.0/255.0.0.0', /0 to 32/],
    ['10/8', /not an IPv4 or IPv6 block/],
    ['', /not an IPv4 or IPv6 block/],
    ['fe80::%eth0/10', /not an IPv4 or IPv6 block/],
    ['example.test', /not an IPv4 or IPv6 block/],
  ]
  for (const [text, message] of faults) assert.throws(() => parseCidr(text), message, text)
})

test('the text of a block is canonical', () => {
  assert.equal(parseCidr('FC00:0::/7').text, 'fc00::/7')
  assert.equal(parseCidr('10.0.0.1').text, '10.0.0.1/32')
})
