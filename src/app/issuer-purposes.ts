import type { ResolvedConfig } from '../config/read.ts'
import { EXTENDED_KEY_USAGE_OIDS } from '../issuance/build-leaf.ts'
import { PROFILE_TYPES } from '../issuance/profile-types.ts'
import type { ExtendedKeyUsageName } from '../store/records.ts'
import { DEFAULT_ISSUER } from './home.ts'

const TLS: readonly ExtendedKeyUsageName[] = ['serverAuth', 'clientAuth']

/**
 * What an issuing CA that is made for this configuration may certify, as object identifiers: both purposes of TLS, or
 * exactly those of the profiles that name it when these are for something else. The default one always has those of
 * TLS, for our own certificate.
 */
export function issuerPurposes(config: ResolvedConfig, issuer: string): readonly string[] {
  const asked = Object.values(config.profiles)
    .filter((profile) => profile.issuer === issuer)
    .flatMap((profile) => profile.extendedKeyUsages ?? PROFILE_TYPES[profile.type].usages)
  const isTls = asked.every((usage) => TLS.includes(usage))
  const purposes = isTls || issuer === DEFAULT_ISSUER ? [...TLS, ...asked] : asked
  return [...new Set(purposes)].map((usage) => EXTENDED_KEY_USAGE_OIDS[usage])
}
