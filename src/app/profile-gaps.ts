import type { ResolvedConfig } from '../config/read.ts'
import { EXTENDED_KEY_USAGE_OIDS } from '../issuance/build-leaf.ts'
import { checkKeyPurposes } from '../issuance/check-nesting.ts'
import type { Issuer } from '../issuance/issuer.ts'
import { PROFILE_TYPES } from '../issuance/profile-types.ts'

/** A profile whose certificates cannot be issued, or are of no use to clients. */
export interface ProfileGap {
  readonly profile: string
  /** Whether its orders fail, every one of them; else the certificates are issued. */
  readonly isFatal: boolean
  /** A sentence that begins with the key and ends with what to do. */
  readonly gap: string
}

/** What the configuration cannot know by itself, because it depends on the issuing CAs or on what is missing here. */
export function profileGaps(config: ResolvedConfig, issuers: ReadonlyMap<string, Issuer>): ProfileGap[] {
  const gaps: ProfileGap[] = []
  for (const [profile, { issuer: name, extendedKeyUsages, type, mustStaple }] of Object.entries(config.profiles)) {
    const issuer = issuers.get(name)
    const usages = extendedKeyUsages ?? PROFILE_TYPES[type].usages
    const asked = { extendedKeyUsage: usages.map((usage) => EXTENDED_KEY_USAGE_OIDS[usage]) }
    const missing = issuer === undefined ? [] : checkKeyPurposes(asked, issuer)
    if (missing.length > 0)
      gaps.push({
        profile,
        isFatal: true,
        gap:
          `profiles.${profile}: the issuing CA ${name} cannot serve it (${[...new Set(missing)].join('; ')}), and all of its orders ` +
          `fail; name another issuing CA in profiles.${profile}.issuer, then make that: chancery init --issuer <name>`,
      })
    if (mustStaple)
      gaps.push({
        profile,
        isFatal: false,
        gap:
          `profiles.${profile}.mustStaple: there is no OCSP responder whose answer could be stapled, and clients that honour the ` +
          'demand refuse its certificates; take mustStaple out',
      })
  }
  return gaps
}
