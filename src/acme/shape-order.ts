import { commonNameProblem } from '../issuance/common-name.ts'
import { fillProfile } from '../issuance/name-mapping.ts'
import { profileNamesProblem } from '../issuance/profile-names.ts'
import { distinctIdentifiers, type Identifier, identifierKey } from '../lib/identifier.ts'
import type { AccountRecord, ProfileSnapshot } from '../store/records.ts'
import type { OfferedProfile } from './endpoint.ts'

/** What the certificate of an order would be, before anybody was asked whether it may be. */
export interface ShapedOrder {
  /** As the order keeps it: with subject and names from the account's attributes as they are now. */
  readonly profile: ProfileSnapshot
  /** Those that the client asks for, and after them those that the profile adds. */
  readonly names: readonly Identifier[]
  readonly added: readonly Identifier[]
  /** Why the profile cannot make it, as a sentence; absent: it can. */
  readonly fault?: string
}

/** Never throws; a profile that cannot be filled is a fault. */
export function shapeOrder(
  { snapshot, mapping }: OfferedProfile,
  identifiers: readonly Identifier[],
  account: Pick<AccountRecord, 'externalKey'>,
): ShapedOrder {
  const filled = fillProfile(snapshot, mapping, account.externalKey?.attributes ?? {})
  if (!filled.ok) return { profile: snapshot, names: identifiers, added: [], fault: filled.reason }
  const { profile } = filled
  const asked = new Set(identifiers.map(identifierKey))
  const added = (profile.addedNames ?? []).filter((name) => !asked.has(identifierKey(name)))
  const names = distinctIdentifiers([...identifiers, ...added])
  const fault = profileNamesProblem(profile, names) ?? subjectProblem(profile, names)
  return { profile, names, added, ...(fault !== undefined && { fault }) }
}

function subjectProblem(profile: ProfileSnapshot, names: readonly Identifier[]): string | undefined {
  const commonName = profile.subjectAttributes?.find(({ type }) => type === 'CN')
  return commonName && commonNameProblem(commonName.value, profile, names)
}
