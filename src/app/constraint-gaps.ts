import { isIP } from 'node:net'
import type { ResolvedConfig } from '../config/read.ts'
import type { Issuer } from '../issuance/issuer.ts'
import { parseCidr } from '../lib/cidr.ts'
import { ipAddressBytes } from '../lib/ip-address.ts'
import type { RuleSource } from '../policy/language/schema.ts'
import type { GeneralName } from '../x509/general-name.ts'
import { checkNameConstraints } from '../x509/name-constraints.ts'
import { DEFAULT_ISSUER } from './home.ts'
import { allowedNames, serverNames } from './name-scope.ts'

/**
 * What the configuration allows and the issuing CA's name constraints do not, one sentence each: such orders would
 * pass policy and then fail. A sample of each pattern is tried, so this finds mistakes and proves nothing.
 */
export function constraintGaps(config: ResolvedConfig, issuer: Issuer, rules?: readonly RuleSource[]): string[] {
  const gaps: string[] = []
  for (const allow of allowedNames(config, issuer.name, rules)) {
    const missing = [
      ...allow.dns.filter((pattern) => !fits(issuer, { type: 'dns', value: sampleOf(pattern) })),
      ...allow.ip.filter((block) => !fits(issuer, { type: 'ip', bytes: parseCidr(block).network })),
    ]
    if (missing.length > 0) {
      gaps.push(
        `${allow.where.replace('.allow.dns', '')} allows ${missing.join(', ')}, for which the issuing CA ${issuer.name} was not made ` +
          '(name constraints); orders for them will fail',
      )
    }
  }
  return [...new Set(gaps)]
}

/** Names that our own certificate needs and the default issuing CA may not certify; with one of them no start is possible. */
export function uncertifiableOwnNames(config: ResolvedConfig, issuer: Issuer): string[] {
  return issuer.name === DEFAULT_ISSUER ? serverNames(config).filter((name) => !fits(issuer, generalName(name))) : []
}

function fits(issuer: Issuer, name: GeneralName): boolean {
  return issuer.chain.every(
    ({ nameConstraints }) =>
      nameConstraints === undefined || checkNameConstraints(nameConstraints, [name]).length === 0,
  )
}

const sampleOf = (pattern: string): string =>
  pattern
    .split('.')
    .map((label) => (label.startsWith('*') ? 'sample' : label))
    .join('.')

function generalName(name: string): GeneralName {
  const bytes = isIP(name) === 0 ? undefined : ipAddressBytes(name)
  return bytes === undefined ? { type: 'dns', value: name } : { type: 'ip', bytes }
}
