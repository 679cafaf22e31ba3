import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ipAddressBytes } from '../lib/ip-address.ts'
import { createEgressPolicy, type OwnListener } from './egress.ts'

interface Options {
  allow?: string[]
  deny?: string[]
  ownListeners?: OwnListener[]
  localAddresses?: string[]
}

function decide(address: string, port: number, options: Options = {}): boolean {
  const policy = createEgressPolicy({
    allow: options.allow ?? [],
    deny: options.deny ?? [],
    ownListeners: () => options.ownListeners ?? [],
    localAddresses: () => options.localAddresses ?? ['10.1.2.3', 'fd00::1:2'],
  })
  return policy.decide(bytesOf(address), port).ok
}

function bytesOf(address: string): Buffer {
  const bytes = ipAddressBytes(address)
  assert.ok(bytes, address)
  return bytes
}

test('KF-A11 public and private addresses are open without any setting', () => {
  for (const address of ['8.8.8.8', '10.9.8.7', '172.16.0.1', '192.168.1.1', '2600::1', 'fd12::1']) {
    assert.equal(decide(address, 80), true, address)
  }
})

test('KF-A11 every other class is refused, in IPv4, IPv6 and each form of IPv4 within IPv6', () => {
  const v4 = [
    '127.0.0.1',
    '127.255.0.9',
    '0.0.0.0',
    '0.1.2.3',
    '169.254.1.1',
    '169.254.169.254',
    '168.63.129.16',
    '100.100.100.200',
    '100.64.0.1',
    '224.0.0.1',
    '239.1.1.1',
    '240.0.0.1',
    '255.255.255.255',
    '192.0.2.1',
  ]
  const hex = (address: string): string =>
    bytesOf(address)
      .toString('hex')
      .replace(/^(....)(....)$/, '$1:$2')
  const v6 = [
    '::',
    '::1',
    'fe80::1',
    'ff02::1',
    '2001:db8::1',
    'fd00:ec2::254',
    'fec0::1',
    ...v4.flatMap((address) => [`::ffff:${address}`, `64:ff9b::${address}`, `2002:${hex(address)}::1`, `::${address}`]),
  ]
  for (const address of [...v4, ...v6]) assert.equal(decide(address, 80), false, address)
})

test('KF-A11 a block on the allow list opens loopback and link-local, but nothing beside it', () => {
  const allow = ['127.0.0.0/8', 'fe80::/10']
  assert.equal(decide('127.0.0.1', 80, { allow }), true)
  assert.equal(decide('fe80::1', 80, { allow }), true)
  assert.equal(decide('::1', 80, { allow }), false)
  assert.equal(decide('::ffff:127.0.0.1', 80, { allow }), false)
})

test('KF-A11 cloud metadata is opened by its own address only, never by a wide block', () => {
  assert.equal(decide('169.254.169.254', 80, { allow: ['169.254.0.0/16'] }), false)
  assert.equal(decide('169.254.1.1', 80, { allow: ['169.254.0.0/16'] }), true)
  assert.equal(decide('169.254.169.254', 80, { allow: ['0.0.0.0/0'] }), false)
  assert.equal(decide('169.254.169.254', 80, { allow: ['169.254.169.254/32'] }), true)
  assert.equal(decide('fd00:ec2::254', 80, { allow: ['fd00::/8'] }), false)
  assert.equal(decide('fd00:ec2::254', 80, { allow: ['fd00:ec2::254'] }), true)
})

test('KF-A11 deny beats allow and the defaults, and holds for the IPv4 address within an IPv6 one', () => {
  assert.equal(decide('10.0.0.1', 80, { deny: ['10.0.0.0/24'] }), false)
  assert.equal(decide('10.0.0.1', 80, { deny: ['10.0.0.0/24'], allow: ['10.0.0.1/32'] }), false)
  assert.equal(decide('10.0.0.1', 80, { deny: ['10.0.0.0/24'], allow: ['10.0.0.1:80'] }), false)
  assert.equal(decide('64:ff9b::10.0.0.1', 80, { deny: ['10.0.0.0/24'] }), false)
  assert.equal(decide('64:ff9b::10.0.1.1', 80, { deny: ['10.0.0.0/24'] }), true)
})

test('KF-A11 a listener of our own is opened by address and port alone', () => {
  const ownListeners = [{ address: '127.0.0.1', port: 8080 }]
  const allow = ['127.0.0.0/8']
  assert.equal(decide('127.0.0.1', 8080, { ownListeners, allow }), false)
  assert.equal(decide('127.0.0.1', 8080, { ownListeners, allow: [...allow, '127.0.0.1/32'] }), false)
  assert.equal(decide('127.0.0.1', 8081, { ownListeners, allow }), true)
  assert.equal(decide('127.0.0.1', 8080, { ownListeners, allow: ['127.0.0.1:8080'] }), true)
  assert.equal(decide('127.0.0.1', 8081, { ownListeners, allow: ['127.0.0.1:8080'] }), false)
  assert.equal(decide('::1', 80, { allow: ['[::1]:80'], ownListeners: [{ address: '::1', port: 80 }] }), true)
})

test('KF-A11 a listener on every address is ours on each address of this machine, also through IPv6 forms', () => {
  for (const address of ['0.0.0.0', '::', '[::]', 'localhost']) {
    const ownListeners = [{ address, port: 80 }]
    const allow = ['127.0.0.0/8', '::1/128', '::ffff:0:0/96']
    for (const own of ['127.0.0.1', '127.9.9.9', '::1', '10.1.2.3', 'fd00::1:2', '::ffff:10.1.2.3']) {
      assert.equal(decide(own, 80, { ownListeners, allow }), false, `${own} with a listener on ${address}`)
    }
    assert.equal(decide('10.1.2.4', 80, { ownListeners, allow }), true)
    assert.equal(decide('10.1.2.3', 443, { ownListeners, allow }), true)
  }
})

test('KF-A14 the reason names the address and its class, and where the operator can change it', () => {
  const policy = createEgressPolicy({ allow: [], deny: [], ownListeners: () => [] })
  const verdict = policy.decide(Buffer.of(169, 254, 169, 254), 80)
  assert.deepEqual(verdict, {
    ok: false,
    reason:
      '169.254.169.254 is a cloud metadata address, which this server does not connect to; its operator can list it in validation.egress.allow',
  })
})

test('an entry that cannot be read stops the start and is named', () => {
  const make = (allow: string[], deny: string[]) => () => createEgressPolicy({ allow, deny, ownListeners: () => [] })
  assert.throws(make(['corp.test'], []), /validation\.egress\.allow: "corp\.test"/)
  assert.throws(make(['10.0.0.1/8'], []), /validation\.egress\.allow/)
  assert.throws(make([], ['10.0.0.1:80']), /validation\.egress\.deny/)
})
