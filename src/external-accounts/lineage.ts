import type { EabKeyId } from '../lib/ids.ts'
import { FOREVER_MS } from '../store/eab-key.ts'
import type { AuditEvent, EabKeyRecord } from '../store/records.ts'
import type { EabKeyStore, LineageEdit } from '../store/store.ts'
import { earliest } from './ends.ts'

/**
 * What an operator does to external account keys. A key and those that came of it by rotation are one lineage: they have
 * label, owner, attributes, groups, scope and directories in common. What ends a key ends those before it in its lineage
 * too, so that the newest stands for all accounts ever made with any of them.
 */
export type LineageChange = (lineage: readonly EabKeyRecord[]) => ReturnType<LineageEdit> | { readonly refusal: string }

/** @returns what was stored, empty when all was so already; or why it cannot be */
export async function changeLineage(
  store: Pick<EabKeyStore, 'edit'>,
  id: EabKeyId,
  change: LineageChange,
): Promise<readonly EabKeyRecord[] | { readonly refusal: string }> {
  let refusal: string | undefined
  const stored = await store.edit(id, (lineage) => {
    const outcome = change(lineage)
    refusal = outcome !== undefined && 'refusal' in outcome ? outcome.refusal : undefined
    return outcome !== undefined && 'refusal' in outcome ? undefined : outcome
  })
  if (refusal !== undefined) return { refusal }
  return stored ?? { refusal: `there is no external account key ${id}; \`chancery eab list\` shows what there is` }
}

interface Asked {
  readonly id: EabKeyId
  readonly now: Date
  /** Leaves the accounts made with it as they are. */
  readonly keepAccounts?: boolean
}

/** Ends the key for good, and stops its accounts. Repeating it without `keepAccounts` stops accounts that were kept. */
export function revoking({ id, now, keepAccounts = false }: Asked): LineageChange {
  return (lineage) => {
    const put = upTo(lineage, id).flatMap((key) => {
      const accountsEndAt = keepAccounts ? key.accountsEndAt : earliest(key.accountsEndAt, now)
      if (key.revokedAt !== undefined && sameInstant(accountsEndAt, key.accountsEndAt)) return []
      return [{ ...key, revokedAt: key.revokedAt ?? now, ...(accountsEndAt && { accountsEndAt }) }]
    })
    const accounts = keepAccounts ? 'kept' : 'stopped'
    return { put, audit: put.map((key) => event('eab-key.revoked', key, now, { accounts })) }
  }
}

/** Brings the end of the key forward to `at`, and that of its accounts. Unlike revoking, it can be taken back. */
export function expiring({ id, now, at, keepAccounts = false }: Asked & { readonly at: Date }): LineageChange {
  return (lineage) => {
    const put = upTo(lineage, id).flatMap((key) => {
      const expiresAt = earliest(key.expiresAt, at)
      const accountsEndAt = keepAccounts ? key.accountsEndAt : earliest(key.accountsEndAt, at)
      if (sameInstant(expiresAt, key.expiresAt) && sameInstant(accountsEndAt, key.accountsEndAt)) return []
      return [{ ...key, expiresAt, ...(accountsEndAt && { accountsEndAt }) }]
    })
    return { put, audit: put.map((key) => event('eab-key.changed', key, now, { what: 'expired', ...ends(key) })) }
  }
}

/** What can be changed of a key; absent members stay as they are. */
export interface KeyUpdate {
  readonly label?: string
  readonly owner?: string
  readonly directories?: readonly string[]
  readonly scope?: readonly string[] | 'any'
  readonly maxUses?: number | 'unlimited'
  readonly setAttributes?: Readonly<Record<string, string>>
  readonly removeAttributes?: readonly string[]
  readonly addGroups?: readonly string[]
  readonly removeGroups?: readonly string[]
  /** Until when it can be used, and, unless `keepAccounts` or for ever, its accounts. Accounts that were stopped come back. */
  readonly expiresAt?: Date
}

export function updating({ id, now, keepAccounts = false }: Asked, update: KeyUpdate): LineageChange {
  return (lineage) => {
    const target = lineage.find((key) => key.id === id)
    const { expiresAt } = update
    if (target?.revokedAt !== undefined && (expiresAt !== undefined || update.maxUses !== undefined)) {
      return { refusal: `${id} was revoked, which cannot be taken back; make another with: chancery eab create` }
    }
    const covered = new Set(upTo(lineage, id))
    const put = lineage.map((key) => {
      const known = withFacts(key, update)
      const own = key.id === id ? { ...known, ...ownFacts(update) } : known
      if (expiresAt === undefined || !covered.has(key) || key.revokedAt !== undefined) return own
      const { accountsEndAt: _, ...without } = own
      return keepAccounts || expiresAt.getTime() >= FOREVER_MS ? without : { ...without, accountsEndAt: expiresAt }
    })
    const changed = Object.keys(update).sort()
    return {
      put,
      audit: put.map((key) =>
        event('eab-key.changed', key, now, { what: 'updated', changed, ...facts(key), ...ends(key) }),
      ),
    }
  }
}

function ownFacts({ maxUses, expiresAt }: KeyUpdate): Partial<EabKeyRecord> {
  return { ...(maxUses !== undefined && { maxUses }), ...(expiresAt && { expiresAt }) }
}

function withFacts(key: EabKeyRecord, update: KeyUpdate): EabKeyRecord {
  const { label, owner, directories, scope, removeAttributes = [], addGroups = [], removeGroups = [] } = update
  const { scope: before, ...rest } = key
  const kept = Object.entries(key.attributes ?? {}).filter(([name]) => !removeAttributes.includes(name))
  const groups = new Set([...(key.groups ?? []).filter((name) => !removeGroups.includes(name)), ...addGroups])
  const after = scope === undefined ? before : scope === 'any' ? undefined : scope
  return {
    ...rest,
    attributes: { ...Object.fromEntries(kept), ...update.setAttributes },
    groups: [...groups],
    ...(label !== undefined && { label }),
    ...(owner !== undefined && { owner }),
    ...(directories && { directories }),
    ...(after && { scope: after }),
  }
}

/**
 * Puts a successor beside the key: the old one still makes accounts until `overlapUntil`, and its accounts go on for as
 * long as those of the successor; so do those of the keys before it, unless they were given an earlier end.
 */
export function rotating(
  { id, now }: Asked,
  fresh: Pick<EabKeyRecord, 'id' | 'wrappedMacKey' | 'expiresAt'> & {
    readonly overlapUntil: Date
    /** As in `EabKeyRecord`; `'as before'`: as that of the key. */
    readonly accountsEndAt: Date | undefined | 'as before'
  },
): LineageChange {
  return (lineage) => {
    const old = lineage.find((key) => key.id === id)
    const newest = lineage.at(-1)
    if (old === undefined || newest === undefined) return undefined
    if (old !== newest) return { refusal: `${id} was rotated before; its newest successor is ${newest.id}` }
    if (old.revokedAt !== undefined)
      return { refusal: `${id} was revoked, so nothing can succeed it; make another with: chancery eab create` }
    if (old.accountsEndAt !== undefined && old.accountsEndAt <= now)
      return { refusal: `${id} has expired; put off its end first with: chancery eab update ${id} --expires TIME` }
    const accountsEndAt = fresh.accountsEndAt === 'as before' ? old.accountsEndAt : fresh.accountsEndAt
    const { usedAt: _, usedBy: __, uses: ___, accountsEndAt: ____, ...same } = old
    const successor: EabKeyRecord = {
      ...same,
      id: fresh.id,
      wrappedMacKey: fresh.wrappedMacKey,
      createdAt: now,
      expiresAt: earliest(accountsEndAt, fresh.expiresAt),
      ...(accountsEndAt && { accountsEndAt }),
      lineage: old.lineage ?? old.id,
      generation: (old.generation ?? 0) + 1,
    }
    const before = lineage.map((key) => {
      if (key.revokedAt !== undefined) return key
      const { accountsEndAt: own, ...rest } = key
      const expiresAt = earliest(key.expiresAt, fresh.overlapUntil)
      // Whose accounts were given an earlier end than those of the newest keeps it: a rotation brings nobody back.
      const isEarlier = own !== undefined && (old.accountsEndAt === undefined || own < old.accountsEndAt)
      const end = isEarlier ? earliest(accountsEndAt, own) : accountsEndAt
      return { ...rest, expiresAt, ...(end && { accountsEndAt: end }) }
    })
    return {
      put: [successor, ...before],
      audit: [
        event('eab-key.created', successor, now, { succeeds: id, ...facts(successor), ...ends(successor) }),
        ...before.map((key) => event('eab-key.changed', key, now, { what: 'rotated', to: successor.id, ...ends(key) })),
      ],
    }
  }
}

/** The event of a key that was made. */
export function createdEvent(key: EabKeyRecord): AuditEvent {
  return event('eab-key.created', key, key.createdAt, { ...facts(key), ...ends(key) })
}

/** The key and those before it. */
function upTo(lineage: readonly EabKeyRecord[], id: EabKeyId): readonly EabKeyRecord[] {
  return lineage.slice(0, 1 + lineage.findIndex((key) => key.id === id))
}

function sameInstant(one: Date | undefined, other: Date | undefined): boolean {
  return one?.getTime() === other?.getTime()
}

function facts({ label, owner, directories, attributes, groups, scope, maxUses }: EabKeyRecord) {
  return { label, owner, directories, attributes, groups, scope, maxUses }
}

function ends({ expiresAt, accountsEndAt }: EabKeyRecord) {
  return { expiresAt: expiresAt.toISOString(), accountsEndAt: accountsEndAt?.toISOString() }
}

function event(name: string, key: EabKeyRecord, at: Date, data: Record<string, unknown>): AuditEvent {
  return { at, event: name, directory: key.directory, data: { keyId: key.id, ...data, by: 'cli' } }
}
