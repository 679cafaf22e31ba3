import { type Cidr, cidrContains, parseCidr } from './cidr.ts'

/** From harmless to harmful, as a place to connect to; a later class wins where an address has several. */
const SEVERITY = [
  'public',
  'shared',
  'private',
  'reserved',
  'multicast',
  'unspecified',
  'link-local',
  'loopback',
  'metadata',
] as const

export type AddressClass = (typeof SEVERITY)[number]

interface Row {
  readonly block: Cidr
  readonly class: AddressClass
  readonly source: string
}

function row(block: string, kind: AddressClass, source: string): Row {
  return { block: parseCidr(block), class: kind, source }
}

/** The first row that holds the address decides. Cloud metadata services stand first: they lie inside other blocks. */
export const ADDRESS_CLASSES: readonly Row[] = [
  row('169.254.169.254/32', 'metadata', 'AWS EC2, Google Cloud, Azure, OpenStack and others: instance metadata'),
  row('169.254.170.2/32', 'metadata', 'AWS ECS: task metadata and credentials'),
  row('169.254.170.23/32', 'metadata', 'AWS EKS: pod identity credentials'),
  row('100.100.100.200/32', 'metadata', 'Alibaba Cloud: instance metadata'),
  row('192.0.0.192/32', 'metadata', 'Oracle Cloud classic: instance metadata'),
  row('168.63.129.16/32', 'metadata', 'Azure: host services, a public address routed to the host'),
  row('fd00:ec2::254/128', 'metadata', 'AWS EC2: instance metadata'),
  row('fd00:ec2::23/128', 'metadata', 'AWS EKS: pod identity credentials'),
  row('fd20:ce::254/128', 'metadata', 'Google Cloud: instance metadata'),

  row('0.0.0.0/8', 'unspecified', 'RFC 1122 §3.2.1.3, RFC 6890: this host on this network'),
  row('127.0.0.0/8', 'loopback', 'RFC 1122 §3.2.1.3'),
  row('169.254.0.0/16', 'link-local', 'RFC 3927 §2.1'),
  row('10.0.0.0/8', 'private', 'RFC 1918 §3'),
  row('172.16.0.0/12', 'private', 'RFC 1918 §3'),
  row('192.168.0.0/16', 'private', 'RFC 1918 §3'),
  row('100.64.0.0/10', 'shared', 'RFC 6598 §7'),
  row('192.0.0.0/24', 'reserved', 'RFC 6890 §2.1: IETF protocol assignments'),
  row('192.0.2.0/24', 'reserved', 'RFC 5737 §3: documentation'),
  row('198.51.100.0/24', 'reserved', 'RFC 5737 §3: documentation'),
  row('203.0.113.0/24', 'reserved', 'RFC 5737 §3: documentation'),
  row('192.88.99.0/24', 'reserved', 'RFC 7526: 6to4 relay anycast, deprecated'),
  row('198.18.0.0/15', 'reserved', 'RFC 2544, RFC 6890 §2.2.2: benchmarking'),
  row('224.0.0.0/4', 'multicast', 'RFC 5771 §3'),
  row('255.255.255.255/32', 'reserved', 'RFC 919 §7: limited broadcast'),
  row('240.0.0.0/4', 'reserved', 'RFC 1112 §4: class E'),
  row('0.0.0.0/0', 'public', 'RFC 791: the rest'),

  row('::/128', 'unspecified', 'RFC 4291 §2.5.2'),
  row('::1/128', 'loopback', 'RFC 4291 §2.5.3'),
  row('::ffff:0:0/96', 'public', 'RFC 4291 §2.5.5.2: IPv4-mapped; what it embeds decides'),
  row('64:ff9b::/96', 'public', 'RFC 6052 §2.1: NAT64; what it embeds decides'),
  row('64:ff9b:1::/48', 'private', 'RFC 8215: NAT64 for local use; or worse, by what it embeds'),
  row('2001::/32', 'public', 'RFC 4380 §2.6: Teredo; what it embeds decides'),
  row('2001::/23', 'reserved', 'RFC 2928 §2: IETF protocol assignments'),
  row('2001:db8::/32', 'reserved', 'RFC 3849 §2: documentation'),
  row('2002::/16', 'public', 'RFC 3056 §2: 6to4; what it embeds decides'),
  row('3fff::/20', 'reserved', 'RFC 9637: documentation'),
  row('2000::/3', 'public', 'RFC 4291 §2.4, IANA: global unicast'),
  row('fc00::/7', 'private', 'RFC 4193 §3: unique local'),
  row('fe80::/10', 'link-local', 'RFC 4291 §2.5.6'),
  row('ff00::/8', 'multicast', 'RFC 4291 §2.7'),
  row('::/0', 'reserved', 'IANA IPv6 address space: not assigned as global unicast'),
]

interface Embedding {
  readonly block: Cidr
  readonly source: string
  /** The IPv4 addresses that 16 bytes of this block may stand for. */
  readonly addresses: (bytes: Uint8Array) => readonly Uint8Array[]
}

const last4 = (bytes: Uint8Array): readonly Uint8Array[] => [bytes.subarray(12)]
const at = (bytes: Uint8Array, ...offsets: number[]): Uint8Array => Uint8Array.from(offsets, (o) => bytes[o] ?? 0)

const EMBEDDINGS: readonly Embedding[] = [
  { block: parseCidr('::/96'), source: 'RFC 4291 §2.5.5.1: IPv4-compatible', addresses: last4 },
  { block: parseCidr('::ffff:0:0/96'), source: 'RFC 4291 §2.5.5.2: IPv4-mapped', addresses: last4 },
  { block: parseCidr('::ffff:0:0:0/96'), source: 'RFC 2765 §2.1: IPv4-translated', addresses: last4 },
  { block: parseCidr('64:ff9b::/96'), source: 'RFC 6052 §2.1', addresses: last4 },
  {
    block: parseCidr('64:ff9b:1::/48'),
    source: 'RFC 6052 §2.2: the prefix in use may have 48, 56, 64 or 96 bits; octet 8 is skipped',
    addresses: (b) => [at(b, 6, 7, 9, 10), at(b, 7, 9, 10, 11), at(b, 9, 10, 11, 12), at(b, 12, 13, 14, 15)],
  },
  { block: parseCidr('2002::/16'), source: 'RFC 3056 §2: 6to4', addresses: (b) => [b.subarray(2, 6)] },
  {
    block: parseCidr('2001::/32'),
    source: 'RFC 4380 §4: Teredo server, and client address inverted',
    addresses: (b) => [b.subarray(4, 8), b.subarray(12).map((byte) => byte ^ 0xff)],
  },
]

/**
 * What kind of place an address is, from its 4 or 16 bytes (KF-A13: never from its text). An IPv6 address that
 * embeds IPv4 addresses is the worst of itself and of what it embeds. Bytes of another length are `reserved`.
 */
export function classifyAddress(bytes: Uint8Array): AddressClass {
  if (isUnspecifiedOrLoopback(bytes)) return bytes[15] === 0 ? 'unspecified' : 'loopback'
  return [bytes, ...embeddedAddresses(bytes)].map(classOfRow).reduce(worse)
}

/** The IPv4 addresses that an IPv6 address may stand for: mapped, NAT64, 6to4, Teredo, ISATAP and the like. */
export function embeddedAddresses(bytes: Uint8Array): readonly Uint8Array[] {
  const found = EMBEDDINGS.filter(({ block }) => cidrContains(block, bytes)).flatMap((e) => e.addresses(bytes))
  return hasIsatapInterface(bytes) ? [...found, bytes.subarray(12)] : found
}

/** `::` and `::1` lie in the IPv4-compatible block, but embed nothing. */
function isUnspecifiedOrLoopback(bytes: Uint8Array): boolean {
  return bytes.length === 16 && bytes.subarray(0, 15).every((byte) => byte === 0) && (bytes[15] ?? 0) <= 1
}

/** RFC 5214 §6.1: interface id `[02]00:5efe:` and an IPv4 address, below any prefix. */
function hasIsatapInterface(bytes: Uint8Array): boolean {
  return (
    bytes.length === 16 && ((bytes[8] ?? 0) & 0xfd) === 0 && bytes[9] === 0 && bytes[10] === 0x5e && bytes[11] === 0xfe
  )
}

function classOfRow(bytes: Uint8Array): AddressClass {
  return ADDRESS_CLASSES.find(({ block }) => cidrContains(block, bytes))?.class ?? 'reserved'
}

function worse(a: AddressClass, b: AddressClass): AddressClass {
  return SEVERITY.indexOf(a) > SEVERITY.indexOf(b) ? a : b
}
