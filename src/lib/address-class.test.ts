import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ADDRESS_CLASSES, type AddressClass, classifyAddress } from './address-class.ts'
import { cidrContains } from './cidr.ts'
import { normalizeDnsName } from './dns-name.ts'
import { ipAddressBytes, looksLikeIpAddress, parseIpAddress } from './ip-address.ts'

const classOf = (text: string): AddressClass => classifyAddress(ipAddressBytes(text)!)

test('KF-A13 addresses of every class, at both ends of their blocks', () => {
  const table: Record<AddressClass, readonly string[]> = {
    loopback: ['127.0.0.0', '127.0.0.1', '127.255.255.255', '::1'],
    unspecified: ['0.0.0.0', '0.255.255.255', '::'],
    'link-local': ['169.254.0.0', '169.254.255.255', 'fe80::1', 'febf:ffff::'],
    metadata: [
      '169.254.169.254',
      '169.254.170.2',
      '169.254.170.23',
      '100.100.100.200',
      '192.0.0.192',
      '168.63.129.16',
      'fd00:ec2::254',
      'fd00:ec2::23',
      'fd20:ce::254',
    ],
    multicast: ['224.0.0.1', '239.255.255.255', 'ff02::1', 'ffff::'],
    private: ['10.0.0.0', '10.255.255.255', '172.16.0.0', '172.31.255.255', '192.168.0.1', 'fc00::', 'fdff::1'],
    shared: ['100.64.0.0', '100.127.255.255'],
    reserved: [
      '192.0.0.1',
      '192.0.2.1',
      '198.51.100.1',
      '203.0.113.1',
      '198.18.0.0',
      '198.19.255.255',
      '192.88.99.1',
      '240.0.0.0',
      '255.255.255.255',
      '2001:db8::1',
      '2001:2::1',
      '3fff::1',
      '100::1',
      'fec0::1',
      '4000::',
      '::ffff:0:1.1.1.1',
    ],
    public: ['1.1.1.1', '9.255.255.255', '172.32.0.0', '100.128.0.0', '223.255.255.255', '2606:4700::1', '2a00::1'],
  }
  for (const [expected, addresses] of Object.entries(table)) {
    for (const address of addresses) assert.equal(classOf(address), expected, address)
  }
})

test('KF-A13 an embedded IPv4 address makes the address as bad as it is itself', () => {
  const table: readonly (readonly [string, AddressClass])[] = [
    ['::ffff:127.0.0.1', 'loopback'],
    ['::ffff:1.1.1.1', 'public'],
    ['::ffff:10.0.0.1', 'private'],
    ['::ffff:169.254.169.254', 'metadata'],
    ['::127.0.0.1', 'loopback'],
    ['::2', 'unspecified'],
    ['::1.1.1.1', 'reserved'],
    ['::ffff:0:127.0.0.1', 'loopback'],
    ['64:ff9b::169.254.169.254', 'metadata'],
    ['64:ff9b::10.0.0.1', 'private'],
    ['64:ff9b::1.1.1.1', 'public'],
    ['64:ff9b:1::7f00:1', 'loopback'],
    ['64:ff9b:1:7f00:0:100::', 'loopback'], // a 48-bit prefix: 127.0.0.1 around octet 8
    ['64:ff9b:1:ffa9:fe:a9fe::', 'metadata'], // a 56-bit prefix
    ['64:ff9b:1:ffff:a9:fea9:fe00:0', 'metadata'], // a 64-bit prefix
    ['2002:7f00:1::1', 'loopback'],
    ['2002:a9fe:a9fe::', 'metadata'],
    ['2002:101:101::', 'public'],
    ['2001:0:101:101:0:0:80ff:fffe', 'loopback'], // Teredo client 127.0.0.1, inverted
    ['2001:0:a00:1:0:0:fefe:fefe', 'private'], // Teredo server 10.0.0.1
    ['2001:0:101:101:0:0:fefe:fefe', 'public'],
    ['2a00::5efe:7f00:1', 'loopback'], // ISATAP
    ['2a00::200:5efe:a9fe:a9fe', 'metadata'],
    ['2a00::200:5efe:101:101', 'public'],
  ]
  for (const [address, expected] of table) assert.equal(classOf(address), expected, address)
})

/** One host, 40 ways to write it: loopback. */
const SPELLINGS = [
  '127.0.0.1',
  '127.1',
  '127.0.1',
  '127.00.0.1',
  '127.0.0.01',
  '0177.0.0.1',
  '0177.0.0.01',
  '00177.0.0.1',
  '0x7f.0.0.1',
  '0x7F.0.0.1',
  '0x7f.1',
  '0x7f.0x0.0x0.0x1',
  '0x7f000001',
  '0X7F000001',
  '0x00007f000001',
  '017700000001',
  '2130706433',
  '0177.1',
  '127.0x1',
  '127.0.0.1.',
  '１２７.0.0.1',
  '127。0。0。1',
  '127．0．0．1',
  '１２７。１',
  '①②⑦.0.0.1',
  '[::1]',
  '[0:0:0:0:0:0:0:1]',
  '[::0001]',
  '[0::1]',
  '[::0.0.0.1]',
  '[0000:0000:0000:0000:0000:0000:0000:0001]',
  '[::ffff:127.0.0.1]',
  '[::FFFF:127.0.0.1]',
  '[::ffff:7f00:1]',
  '[0:0:0:0:0:ffff:127.0.0.1]',
  '[::ffff:7f00:0001]',
  '[::127.0.0.1]',
  '[::7f00:1]',
  '[64:ff9b::127.0.0.1]',
  '[64:ff9b::7f00:1]',
  '[2002:7f00:1::]',
] as const

test('KF-A13 forty spellings of loopback are no DNS name, and what a URL parser makes of them is loopback', () => {
  assert.ok(SPELLINGS.length >= 40)
  for (const text of SPELLINGS) {
    assert.equal(normalizeDnsName(text).ok, false, `${text} as a DNS name`)
    assert.equal(looksLikeIpAddress(text), true, `${text} looks like an address`)
    assert.equal(parseIpAddress(text).ok, text === '127.0.0.1', `${text} as an IP identifier`)
    const host = new URL(`http://${text}/`).hostname
    const bytes = ipAddressBytes(host.startsWith('[') ? host.slice(1, -1) : host)
    assert.ok(bytes, `${text} became ${host}`)
    assert.equal(classifyAddress(bytes), 'loopback', `${text} became ${host}`)
  }
})

test('KF-A13 bytes that are no address are not public', () => {
  for (const length of [0, 1, 3, 5, 8, 15, 17]) assert.equal(classifyAddress(Buffer.alloc(length, 1)), 'reserved')
})

test('every row of the table cites its source, and no earlier row hides it', () => {
  for (const [index, row] of ADDRESS_CLASSES.entries()) {
    assert.ok(row.source.length >= 7)
    const hidden = ADDRESS_CLASSES.slice(0, index).some(
      ({ block }) => block.prefixBits <= row.block.prefixBits && cidrContains(block, row.block.network),
    )
    assert.equal(hidden, false, row.block.text)
  }
})
