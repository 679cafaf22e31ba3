import { renewalStartShare } from '../acme/renewal/window.ts'
import type { ResolvedConfig } from '../config/read.ts'
import type { RuleSource } from '../policy/language/schema.ts'
import { profilesOf } from './name-scope.ts'

/**
 * Rules whose `often.renewAfter` lies behind the moment at which renewal information tells clients to renew: those that
 * do as they are told are refused. A sentence each; for certificates of the usual length.
 */
export function renewalConflicts(
  { directories, profiles }: Pick<ResolvedConfig, 'directories' | 'profiles'>,
  rules: readonly RuleSource[],
): string[] {
  const conflicts: string[] = []
  for (const { name, often, for: whom, profiles: only, with: grants } of rules) {
    const renewAfter = often?.renewAfter
    if (renewAfter === undefined) continue
    const offered = Object.entries(directories)
      .filter(([directory]) => whom?.directories?.includes(directory) ?? true)
      .flatMap(([, directory]) => profilesOf(directory))
    for (const profile of new Set(offered.filter((one) => only?.includes(one) ?? true))) {
      const settings = profiles[profile]
      if (settings === undefined) continue
      const usual = grants?.defaultLifetime ?? settings.lifetime
      const told = renewalStartShare(settings.renewal, Math.min(usual, grants?.maxLifetime ?? usual))
      if (renewAfter <= told) continue
      conflicts.push(
        `rule ${name}: often.renewAfter is ${renewAfter}, but renewal information tells clients to renew certificates of the ` +
          `profile ${profile} from ${Number(told.toFixed(3))} of their life on, and then they are refused; lower renewAfter, or raise profiles.${profile}.renewal.after`,
      )
    }
  }
  return conflicts
}
