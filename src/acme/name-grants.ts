import type { NameGrantStore } from '../store/name-grants.ts'
import type { AccountRecord, NameGrantRecord } from '../store/records.ts'

/** Whose grants count for the account: its own, and those of its external account key; none where it has none. */
export function grantHolders({ id, externalKey, hasNameGrants }: AccountRecord): readonly NameGrantRecord['holder'][] {
  if (hasNameGrants !== true) return []
  return externalKey === undefined ? [id] : [id, externalKey.lineage]
}

/** For each name the grant by which it needs no challenge, where policy takes that for a proof of it. */
export async function grantsFor(
  holders: readonly NameGrantRecord['holder'][],
  names: readonly (Parameters<NameGrantStore['findFor']>[1][number] & {
    readonly methods: readonly string[] | undefined
  })[],
  { store, now }: { readonly store: Pick<NameGrantStore, 'findFor'>; readonly now: Date },
): Promise<readonly (NameGrantRecord | undefined)[]> {
  if (holders.length === 0) return names.map(() => undefined)
  const found = await store.findFor(holders, names, now)
  return names.map(({ methods }, index) =>
    methods === undefined || methods.includes('pre-authorized') ? found[index] : undefined,
  )
}
