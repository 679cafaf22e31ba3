import { DEFAULT_ISSUER, exists, type Home } from './home.ts'

/**
 * How far the default issuing CA of a state folder is made. `requested`: its key waits for a certificate from a root
 * that is elsewhere. `partial`: some of its files are missing, which only a person can judge.
 */
export type AuthorityState =
  | { readonly state: 'none' | 'complete' | 'requested' }
  | { readonly state: 'partial'; readonly missing: readonly string[]; readonly present: readonly string[] }

export async function authorityState(home: Home): Promise<AuthorityState> {
  const key = home.issuerKey(DEFAULT_ISSUER)
  const present: string[] = []
  const missing: string[] = []
  for (const file of [home.rootPem, home.chainPem, key]) ((await exists(file)) ? present : missing).push(file)
  if (missing.length === 0) return { state: 'complete' }
  if (present.length === 0) return { state: 'none' }
  if (present.length === 1 && present[0] === key && (await exists(home.issuerCsr(DEFAULT_ISSUER))))
    return { state: 'requested' }
  return { state: 'partial', missing, present }
}
