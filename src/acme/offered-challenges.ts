import type { Identifier } from '../lib/identifier.ts'
import { isWildcard } from '../lib/identifier.ts'
import type { ChallengeType } from '../store/records.ts'

/** By what each kind of name can be proved at all. */
const PROVABLE_BY = {
  dns: ['http-01', 'dns-01', 'tls-alpn-01'],
  wildcard: ['dns-01'], // RFC 8555 §8.4; the other two reach one host, not the zone
  ip: ['http-01', 'tls-alpn-01'], // RFC 8738 §4, §7
  uri: [], // by what the account is bound to
  email: [],
} as const satisfies Record<string, readonly ChallengeType[]>

/** The challenge types to offer for an order's identifier, out of those the directory enables; may be empty. */
export function offeredChallenges(identifier: Identifier, enabled: readonly ChallengeType[]): readonly ChallengeType[] {
  const kind = isWildcard(identifier) ? 'wildcard' : identifier.type
  const types: readonly ChallengeType[] = PROVABLE_BY[kind]
  return types.filter((type) => enabled.includes(type))
}
