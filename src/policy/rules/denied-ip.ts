import { type Cidr, cidrContains } from '../../lib/cidr.ts'
import { ipAddressBytes } from '../../lib/ip-address.ts'
import { quote } from '../../lib/quote.ts'
import { deny, type NameRule } from './rule.ts'

/** `deny.ip`: beats every allow. Compared as bytes. */
export function deniedIp(key: string, blocks: readonly Cidr[]): NameRule {
  return (name) => {
    if (name.type !== 'ip') return undefined
    const bytes = ipAddressBytes(name.value)
    const block = bytes && blocks.find((candidate) => cidrContains(candidate, bytes))
    if (block === undefined) return undefined
    return deny(`${key} ${block.text}`, 'name-denied', name, `${quote(name.value)} is denied; ask for another address`)
  }
}
