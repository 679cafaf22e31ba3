import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseCidr } from '../lib/cidr.ts'
import { clientAddress } from './client-address.ts'

const PROXIES = ['10.0.0.0/8', '2001:db8:ffff::/48'].map(parseCidr)

function from(remoteAddress: string | undefined, forwarded?: string | string[], proxies = PROXIES) {
  const headers = forwarded === undefined ? {} : { 'x-forwarded-for': forwarded as string }
  return clientAddress({ headers, socket: { remoteAddress } }, proxies)
}

test('KF-F06 an IPv4 address counts alone, an IPv6 address by its /64 and its /48', () => {
  assert.deepEqual(from('192.0.2.7'), { text: '192.0.2.7', key: '192.0.2.7/32' })
  assert.deepEqual(from('2001:db8:1:2:3:4:5:6'), {
    text: '2001:db8:1:2:3:4:5:6',
    key: '2001:db8:1:2::/64',
    network: '2001:db8:1::/48',
  })
  assert.equal(from('2001:db8:1:2:ffff::1').key, from('2001:db8:1:2::9').key)
  assert.equal(from('fe80::1%eth0').key, 'fe80::/64')
})

test('KF-F06 an IPv4 address within an IPv6 one is the same client', () => {
  assert.deepEqual(from('::ffff:192.0.2.7'), from('192.0.2.7'))
})

test('KF-F18 X-Forwarded-For of anybody but a listed proxy decides nothing', () => {
  assert.equal(from('192.0.2.7', '198.51.100.1').text, '192.0.2.7')
  assert.equal(from('10.1.1.1', '198.51.100.1', []).text, '10.1.1.1')
})

test('KF-F18 of a listed proxy the last address counts that is none of a proxy, whatever the client put before it', () => {
  assert.equal(from('10.1.1.1', '198.51.100.1').text, '198.51.100.1')
  assert.equal(from('::ffff:10.1.1.1', '203.0.113.9, 198.51.100.1').text, '198.51.100.1')
  assert.equal(from('10.1.1.1', 'garbage, 203.0.113.9, 198.51.100.1, 10.2.2.2, 2001:db8:ffff::1').text, '198.51.100.1')
  assert.equal(from('10.1.1.1', ['203.0.113.9', '198.51.100.1']).text, '198.51.100.1')
})

test('KF-F18 proxies may add ports and brackets', () => {
  assert.equal(from('10.1.1.1', '198.51.100.1:4711').text, '198.51.100.1')
  assert.equal(from('10.1.1.1', '[2001:db8:5::1]:4711').text, '2001:db8:5::1')
  assert.equal(from('10.1.1.1', '[2001:db8:5::1]').text, '2001:db8:5::1')
})

test('KF-F18 where a proxy says nothing that can be read, the nearest known address is the client', () => {
  assert.equal(from('10.1.1.1').text, '10.1.1.1')
  for (const header of [
    '',
    'unknown',
    'for=1.2.3.4',
    '1.2.3',
    '0x7f.1',
    '1.2.3.4.5',
    ',',
    '\u0000',
    'a'.repeat(16_000),
  ])
    assert.equal(from('10.1.1.1', header).text, '10.1.1.1', header.slice(0, 20))
  assert.equal(from('10.1.1.1', '198.51.100.1, unknown, 10.9.9.9').text, '10.9.9.9')
  assert.equal(from('10.1.1.1', '10.3.3.3, 10.2.2.2').text, '10.3.3.3', 'nothing but proxies')
})

test('a connection that is gone has one key for all', () => {
  assert.deepEqual(from(undefined), { text: 'unknown', key: 'unknown' })
})
