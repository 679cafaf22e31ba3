import { formatIpAddress } from '../lib/ip-address.ts'
import type { RequestedName } from '../policy/decision.ts'
import type { GeneralName } from '../x509/general-name.ts'

/** Names as they stand in the bytes, in the terms of policy: every SAN type, none left out (KF-C09). */
export function requestedNames(names: readonly GeneralName[]): RequestedName[] {
  return names.map((name): RequestedName => {
    switch (name.type) {
      case 'dns':
        return { type: 'dns', value: name.value }
      case 'ip':
        return { type: 'ip', value: formatIpAddress(name.bytes) }
      case 'email':
      case 'uri':
        return { type: name.type, value: name.value }
      case 'other':
        return { type: 'other', value: `[${name.tag}] ${name.der.toString('hex')}` }
      default:
        return name satisfies never
    }
  })
}
