import { normalizeDnsName } from './dns-name.ts'

export type NormalizedEmail =
  | { readonly ok: true; readonly address: string }
  | { readonly ok: false; readonly reason: string }

const MAX_ADDRESS = 254 // RFC 5321 §4.5.3.1.3, less the angle brackets
const MAX_LOCAL = 64
/** A dot-atom (RFC 5322 §3.2.3) without `*`, which could be taken for a pattern. */
const LOCAL_PART = /^[A-Za-z0-9!#$%&'+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'+/=?^_`{|}~-]+)*$/

/**
 * Reads a mail address that is to be certified: ASCII, without quotes or comments (RFC 9598 has others in another form
 * of name). The domain is lower-cased; the local part stays as it is, because case counts there (RFC 5321 §2.4). Never
 * throws.
 */
export function normalizeEmail(text: string): NormalizedEmail {
  if (text.length > MAX_ADDRESS) return refuse(`it has more than ${MAX_ADDRESS} octets`)
  const at = text.lastIndexOf('@')
  if (at < 1) return refuse('there is no @ with a name before it')
  const local = text.slice(0, at)
  if (local.length > MAX_LOCAL) return refuse(`the part before the @ has more than ${MAX_LOCAL} octets`)
  if (!LOCAL_PART.test(local)) return refuse('the part before the @ is not plain letters, digits, dots and signs')
  const domain = normalizeDnsName(text.slice(at + 1))
  if (!domain.ok) return refuse(`of the part after the @: ${domain.reason}`)
  return { ok: true, address: `${local}@${domain.name}` }
}

function refuse(reason: string): NormalizedEmail {
  return { ok: false, reason }
}
