import { normalizeDnsName } from '../lib/dns-name.ts'
import { normalizeEmail } from '../lib/email-address.ts'
import type { Identifier } from '../lib/identifier.ts'
import { identifierKey } from '../lib/identifier.ts'
import { formatIpAddress, looksLikeIpAddress } from '../lib/ip-address.ts'
import { quote } from '../lib/quote.ts'
import type { CertificationRequest } from '../x509/csr.ts'
import type { GeneralName } from '../x509/general-name.ts'
import type { Subproblem } from './problem.ts'
import { AcmeError } from './problem.ts'

/**
 * Compares the names of a CSR with those of the order, as sets over all SAN types (RFC 8555 §7.4, KF-C06, CQ-F08).
 *
 * A common name that is one of the order's identifiers counts as named (CQ-F05). One that names nothing is ignored,
 * for nothing of the subject is ever certified; one that looks like a name of somebody else is refused (CQ-F06).
 *
 * @param added names that the profile adds: the CSR may name them, and need not
 * @throws {AcmeError} `badCSR`, with every missing and every extra name, and a subproblem for each of the order's own
 */
export function checkCsrNames(
  csr: Pick<CertificationRequest, 'subjectAltNames' | 'commonNames'>,
  identifiers: readonly Identifier[],
  added: readonly Identifier[] = [],
): void {
  const wanted = new Map([...identifiers, ...added].map((identifier) => [identifierKey(identifier), identifier]))
  const named = new Set<string>()
  const extra: string[] = []
  const note = (name: { key?: string; shown: string }): void => {
    if (name.key !== undefined && wanted.has(name.key)) named.add(name.key)
    else extra.push(name.shown)
  }
  for (const name of csr.subjectAltNames) note(readGeneralName(name))
  for (const commonName of csr.commonNames) {
    const keys = [dnsKey(commonName), `ip:${commonName}`, `uri:${commonName}`, `email:${commonName}`]
    const key = keys.find((candidate) => candidate !== undefined && wanted.has(candidate))
    if (key !== undefined) named.add(key)
    else if (looksLikeName(commonName)) note({ shown: `the common name ${quote(commonName)}` })
  }
  const missing = identifiers.filter((identifier) => !named.has(identifierKey(identifier)))
  if (missing.length === 0 && extra.length === 0) return
  throw mismatch(missing, extra)
}

function mismatch(missing: readonly Identifier[], extra: readonly string[]): AcmeError {
  const parts: string[] = []
  if (missing.length > 0) parts.push(`it does not name ${list(missing.map(({ value }) => value))}`)
  if (extra.length > 0) parts.push(`the order does not hold ${list([...new Set(extra)])}`)
  const subproblems = missing.map(
    (identifier): Subproblem => ({ type: 'badCSR', detail: `The CSR does not name ${identifier.value}`, identifier }),
  )
  return new AcmeError('badCSR', `The CSR must name exactly the identifiers of the order: ${parts.join('; ')}`, {
    subproblems,
  })
}

function readGeneralName(name: GeneralName): { key?: string; shown: string } {
  switch (name.type) {
    case 'dns': {
      const key = dnsKey(name.value)
      return { ...(key !== undefined && { key }), shown: quote(name.value) }
    }
    case 'ip': {
      if (name.bytes.length !== 4 && name.bytes.length !== 16)
        return { shown: `an address of ${name.bytes.length} octets` }
      const address = formatIpAddress(name.bytes)
      return { key: `ip:${address}`, shown: address }
    }
    case 'email': {
      const email = normalizeEmail(name.value)
      return { ...(email.ok && { key: `email:${email.address}` }), shown: `the e-mail address ${quote(name.value)}` }
    }
    case 'uri':
      return { key: `uri:${name.value}`, shown: `the URI ${quote(name.value)}` }
    case 'other':
      return { shown: `a name of another type (tag ${name.tag})` }
    default:
      return name satisfies never
  }
}

/** The key of the name in normal form; undefined for what is no DNS name. */
function dnsKey(text: string): string | undefined {
  const normal = normalizeDnsName(text, { wildcard: true })
  return normal.ok ? `dns:${normal.name}` : undefined
}

/** Free text such as "My host" or "server" names nothing; anything with the form of a name, an address or a URI might. */
function looksLikeName(text: string): boolean {
  if (text === '' || /\s/.test(text)) return false
  return /[.@]|:\/\//.test(text) || looksLikeIpAddress(text)
}

const SHOWN_NAMES = 10

function list(names: readonly string[]): string {
  const shown = names.slice(0, SHOWN_NAMES).join(', ')
  return names.length > SHOWN_NAMES ? `${shown} and ${names.length - SHOWN_NAMES} more` : shown
}
