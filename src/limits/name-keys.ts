import { hash } from 'node:crypto'
import { type Identifier, identifierKey } from '../lib/identifier.ts'
import { formatIpAddress, ipAddressBytes } from '../lib/ip-address.ts'

/** The set of names of an account, whatever their order; the key under which its certificates are counted. */
export function nameSetKey(accountId: string, identifiers: readonly Identifier[]): string {
  const names = identifiers.map(identifierKey).sort()
  return hash('sha256', [accountId, ...names].join('\n'), 'base64url')
}

/** One name of one account, for its failures. */
export function pauseKey(accountId: string, identifier: Identifier): string {
  return `${accountId}/${identifierKey(identifier)}`
}

/**
 * What names are counted under, each once. A private zone has no list of public suffixes, so that the parent is what
 * remains without the first label, of `*.a.test` it is `a.test`; a name of one label is its own
 * parent. An address is counted by its /24, IPv6 by its /64; a URI
 * by its scheme and host, a mail address by its domain.
 *
 * @param labels at most this many labels, counted from the end; 0: as many as remain
 */
export function parentNames(identifiers: readonly Identifier[], labels: number): string[] {
  return [...new Set(identifiers.map((identifier) => parentOf(identifier, labels)))]
}

function parentOf(identifier: Identifier, labels: number): string {
  switch (identifier.type) {
    case 'dns': {
      const own = identifier.value.split('.')
      const above = own.length > 1 ? own.slice(1) : own
      return (labels > 0 ? above.slice(-labels) : above).join('.')
    }
    case 'ip': {
      const bytes = ipAddressBytes(identifier.value)
      if (bytes === undefined) return identifier.value
      const octets = bytes.length === 4 ? 3 : 8
      const network = Buffer.concat([bytes.subarray(0, octets), Buffer.alloc(bytes.length - octets)])
      return `${formatIpAddress(network)}/${octets * 8}`
    }
    case 'uri':
      return identifier.value.split('/', 3).join('/')
    case 'email':
      return identifier.value.slice(identifier.value.lastIndexOf('@') + 1)
    default:
      return identifier satisfies never
  }
}
