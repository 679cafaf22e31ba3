import type { AccountId, EabKeyId, NameGrantId } from '../lib/ids.ts'
import type { AuditEvent, AuthorizationRecord, NameGrantRecord, StoredProblem } from './records.ts'

/** Names that need no proof for whoever holds them. */
export interface NameGrantStore {
  add(grants: readonly NameGrantRecord[], audit: readonly AuditEvent[]): Promise<void>
  /** The newest last; of one holder, or all. */
  list(holder?: AccountId | EabKeyId): Promise<NameGrantRecord[]>
  /**
   * Ends a grant, all authorizations that came of it, and with `error` the unfinished orders that hold one. Repeating it
   * changes nothing. Undefined when there is no such grant.
   */
  revoke(
    id: NameGrantId,
    options: { now: Date; error: StoredProblem; audit: AuditEvent },
  ): Promise<{ outcome: 'revoked' | 'already'; grant: NameGrantRecord } | undefined>
  /** For each name, the grant in force at `now` of one of these holders that lasts longest, or undefined. */
  findFor(
    holders: readonly (AccountId | EabKeyId)[],
    names: readonly Pick<AuthorizationRecord, 'identifier' | 'wildcard'>[],
    now: Date,
  ): Promise<(NameGrantRecord | undefined)[]>
}
