import { quote } from '../lib/quote.ts'
import { parseSpiffeId } from '../lib/uri.ts'
import type { ProfileSnapshot } from '../store/records.ts'
import { typeRow } from './profile-types.ts'

interface Name {
  readonly type: string
  readonly value: string
}

/**
 * Why a certificate of this profile cannot hold these names together, as a sentence; undefined when it can. Asked at
 * newOrder, and again of the bytes.
 */
export function profileNamesProblem(profile: ProfileSnapshot, names: readonly Name[]): string | undefined {
  const { type = 'server', otherNames = false } = profile
  const allowed = typeRow(profile).names
  const foreign = names.find((name) => !allowed.some((one) => one === name.type))
  if (foreign !== undefined)
    return `a certificate of type ${type} holds no name of type ${foreign.type}, only ${allowed.join(', ')}`
  const uris = names.filter((name) => name.type === 'uri')
  const ids = uris.filter(({ value }) => value.startsWith('spiffe:'))
  // X.509-SVID §2: who validates one refuses it when there are more.
  if (ids.length > 0 && uris.length > 1) return 'a certificate with a SPIFFE id holds no other URI'
  const [id] = ids
  if (id !== undefined && (parseSpiffeId(id.value)?.path.length ?? 0) === 0)
    return `${quote(id.value)} names a whole trust domain; the id of a workload has a path (X.509-SVID §3.1)`
  if (type !== 'workload') return undefined
  if (id === undefined) return 'a workload has exactly one SPIFFE id, of the form spiffe://trust.domain/path'
  const other = names.find((name) => name.type !== 'uri')
  if (other === undefined || otherNames) return undefined
  return `a workload of this profile has no name beside its SPIFFE id, such as ${quote(other.value)}`
}
