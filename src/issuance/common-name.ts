import { quote } from '../lib/quote.ts'
import type { ProfileSnapshot } from '../store/records.ts'

/**
 * Why this common name may not stand in a subject, or undefined. Relying parties read names out of it although they
 * should not: in a certificate for servers it is one of the dns names of the SAN (BR 7.1.4.3), and elsewhere whatever
 * looks like a name of any kind is one of the SAN, so that nothing gets in there that policy was not asked about.
 */
export function commonNameProblem(
  commonName: string,
  profile: Pick<ProfileSnapshot, 'extendedKeyUsages'>,
  names: readonly { readonly type: string; readonly value: string }[],
): string | undefined {
  const isServer = profile.extendedKeyUsages.includes('serverAuth')
  const held = names.filter(({ type }) => type === 'dns' || !isServer)
  if (held.some(({ value }) => value === commonName)) return undefined
  if (isServer) return `the commonName ${quote(commonName)} is no dns name of the subjectAltName`
  return /[.:@/*]/.test(commonName)
    ? `the commonName ${quote(commonName)} looks like a name, and is none of the subjectAltName`
    : undefined
}
