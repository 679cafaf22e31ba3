import { nearest } from '../../config/nearest.ts'
import { quote } from '../../lib/quote.ts'
import type { PolicyContext } from './read-policy.ts'
import type { PolicyFile } from './schema.ts'

/** Profiles and directories that rules and tests speak of and that do not exist: a misspelt one would never fit (KF-G06). */
export function unknownReferences(
  { rules, tests }: PolicyFile,
  { profiles, directories }: Pick<PolicyContext, 'profiles' | 'directories'>,
): string[] {
  const faults: string[] = []
  const known = { profile: new Set(profiles.keys()), directory: directories }
  const check = (where: string, kind: keyof typeof known, names: readonly string[] = []): void => {
    const those = known[kind]
    for (const name of names) {
      if (those === undefined || those.has(name)) continue
      const near = nearest(name, [...those])
      const advice = near === undefined ? `known: ${[...those].join(', ')}` : `did you mean ${near}?`
      faults.push(`${where}: there is no ${kind} ${quote(name)}; ${advice}`)
    }
  }
  for (const rule of rules) {
    check(`rule ${rule.name}`, 'profile', rule.profiles)
    check(`rule ${rule.name}`, 'directory', rule.for?.directories)
  }
  for (const { name, request } of tests) {
    check(`test ${JSON.stringify(name)}`, 'profile', [request.profile])
    check(`test ${JSON.stringify(name)}`, 'directory', [request.directory])
  }
  return faults
}
