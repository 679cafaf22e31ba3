import { normalizeDnsName } from '../../lib/dns-name.ts'
import { normalizeEmail } from '../../lib/email-address.ts'
import { parseIpAddress } from '../../lib/ip-address.ts'
import { quote } from '../../lib/quote.ts'
import { normalizeUri } from '../../lib/uri.ts'
import type { RequestedName } from '../decision.ts'
import { deny, type NameRule } from './rule.ts'

/**
 * Refuses values that are not in the one normal form, so that no other rule ever compares them: pattern characters,
 * white space, separators, other case (KF-C10, KF-A24). Names come here already normal; at stage `issuance` they are
 * read back from bytes, and this is where a difference shows.
 */
export function nameForm(): NameRule {
  return (name) => {
    const fault = faultOf(name)
    if (fault === undefined) return undefined
    return deny('name-form', 'name-not-allowed', name, `${quote(name.value)} is not in normal form: ${fault}`)
  }
}

function faultOf(name: RequestedName): string | undefined {
  if (name.type === 'dns') {
    const normal = normalizeDnsName(name.value, { wildcard: true })
    if (!normal.ok) return normal.reason
    return normal.name === name.value ? undefined : `write ${normal.name}`
  }
  if (name.type === 'ip') {
    const address = parseIpAddress(name.value)
    return address.ok ? undefined : address.reason
  }
  if (name.type === 'uri') {
    const uri = normalizeUri(name.value)
    return uri.ok ? undefined : uri.reason
  }
  if (name.type === 'email') {
    const email = normalizeEmail(name.value)
    if (!email.ok) return email.reason
    return email.address === name.value ? undefined : `write ${email.address}`
  }
  return undefined
}
