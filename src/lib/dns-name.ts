import { looksLikeIpAddress } from './ip-address.ts'
import { decodeALabel } from './u-label.ts'

const MAX_NAME = 253 // octets of text, RFC 1035 §2.3.4 less the root label and the first length octet
const MAX_LABEL = 63

export type NormalizedName =
  | { readonly ok: true; readonly name: string }
  | { readonly ok: false; readonly reason: string }

/**
 * Turns outside text into the one form in which Chancery orders, compares, stores, logs and certifies a DNS name.
 *
 * ASCII upper case is lower-cased (CQ-O08). Everything else that is not a lower-case LDH name is refused, never
 * repaired (RFC 5890 §2.3.1, RFC 8555 §7.1.4): empty, over-long or underscored labels, a trailing dot, address text,
 * ports, schemes, non-ASCII, reserved `??--` labels, and `xn--` labels that do not decode and encode back to
 * themselves. A single label is well-formed; whether it may be certified is a question for policy (CQ-O10).
 *
 * @param options.wildcard allow one `*.` in front; absence means a wildcard is refused
 * @returns the name, with its `*.` if it had one, or a sentence saying what is wrong; never throws
 */
export function normalizeDnsName(text: string, options: { readonly wildcard?: boolean } = {}): NormalizedName {
  if (text === '') return refuse('the name is empty')
  if (text.length > MAX_NAME) return refuse(`the name has more than ${MAX_NAME} octets`)
  const name = lowerCaseAscii(text)
  const isWildcard = name.startsWith('*.')
  if (isWildcard && options.wildcard !== true) return refuse('a wildcard is not possible here')
  const base = isWildcard ? name.slice(2) : name
  if (looksLikeIpAddress(base)) return refuse('it is an IP address, not a DNS name')
  if (base.endsWith('.')) return refuse('the name ends in a dot; leave it out')
  const labels = base.split('.')
  for (const label of labels) {
    const fault = faultOfLabel(label)
    if (fault !== undefined) return refuse(fault)
  }
  if (isNumber(labels.at(-1) ?? '')) return refuse('the last label is a number, so it would be read as an IP address')
  return { ok: true, name }
}

function refuse(reason: string): NormalizedName {
  return { ok: false, reason }
}

/** Not `toLowerCase()`: that folds non-ASCII characters such as the Kelvin sign into ASCII letters. */
function lowerCaseAscii(text: string): string {
  return text.replace(/[A-Z]/g, (letter) => letter.toLowerCase())
}

function faultOfLabel(label: string): string | undefined {
  if (label === '') return 'the name has an empty label'
  if (label.length > MAX_LABEL) return `a label has more than ${MAX_LABEL} octets`
  for (let i = 0; i < label.length; i++) {
    if (!isLdh(label.charCodeAt(i))) return faultOfCharacter(label.charAt(i))
  }
  if (label.startsWith('-') || label.endsWith('-')) return 'a label begins or ends with a hyphen'
  if (label.slice(2, 4) !== '--') return undefined
  if (!label.startsWith('xn--')) return 'a label has reserved hyphens in its third and fourth place'
  return decodeALabel(label) === undefined ? 'an xn-- label is not a valid A-label (IDNA2008)' : undefined
}

function isLdh(code: number): boolean {
  return (code >= 0x61 && code <= 0x7a) || (code >= 0x30 && code <= 0x39) || code === 0x2d
}

function faultOfCharacter(character: string): string {
  if (character === '*') return 'a wildcard must be the whole left-most label, followed by a dot and a name'
  if (character === '_') return 'the name has an underscore'
  if (character === ':' || character === '/') return 'the name has a port, a scheme or a path; give the bare name'
  if (character >= '\u0080') return 'the name has non-ASCII characters; give its A-label (xn--) form'
  return 'the name has a character other than a letter, digit, hyphen or dot'
}

/** What a URL parser takes for the end of an IPv4 address (WHATWG URL, "ends in a number checker"). */
function isNumber(label: string): boolean {
  return /^(?:\d+|0x[0-9a-f]*)$/.test(label)
}
