import { type Cidr, cidrContains } from '../../lib/cidr.ts'
import { ipAddressBytes } from '../../lib/ip-address.ts'
import { quote } from '../../lib/quote.ts'
import { allow, type NameRule } from './rule.ts'

/** `allow.ip`: compared as bytes; an IPv4 block holds no v4-mapped address. */
export function allowedIp(key: string, blocks: readonly Cidr[]): NameRule {
  return (name) => {
    if (name.type !== 'ip') return undefined
    const bytes = ipAddressBytes(name.value)
    const block = bytes && blocks.find((candidate) => cidrContains(candidate, bytes))
    return block && allow(`${key} ${block.text}`, name, `${quote(name.value)} is allowed by ${block.text}`)
  }
}
