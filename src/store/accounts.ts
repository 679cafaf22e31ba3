import type { AccountId, EabKeyId } from '../lib/ids.ts'
import type { AccountRecord, AuditEvent, EabKeyRecord, Jwk, StoredProblem } from './records.ts'

export interface AccountStore {
  /**
   * Creates the account, or returns the one that already holds this key in this directory (`created: false`,
   * unchanged). With `eab`, one use of the external account key is spent in the same transaction: `eab-unusable` when
   * it is used up, expired, revoked or of another directory, and then nothing is created (KF-B14). A key that is already
   * an account's wins over the binding, which is then not looked at (CQ-A10).
   */
  create(
    account: AccountRecord,
    options: { now: Date; eab?: EabKeyId; audit: AuditEvent },
  ): Promise<{ outcome: 'created' | 'exists'; account: AccountRecord } | { outcome: 'eab-unusable' }>
  find(directory: string, id: AccountId): Promise<AccountRecord | undefined>
  findByThumbprint(directory: string, thumbprint: string): Promise<AccountRecord | undefined>
  /** True when any account of any directory, whatever its status, has this key (RFC 8555 §11.1). */
  isAccountKey(spkiSha256: string): Promise<boolean>
  /** Replaces the contacts of a valid account; undefined when there is none. */
  updateContact(
    directory: string,
    id: AccountId,
    contact: readonly string[],
    audit: AuditEvent,
  ): Promise<AccountRecord | undefined>
  /** Deactivates for good, and fails the account's unfinished orders with `error`. Repeating it changes nothing. */
  deactivate(
    directory: string,
    id: AccountId,
    options: { now: Date; error: StoredProblem; audit: AuditEvent },
  ): Promise<AccountRecord | undefined>
  /**
   * Compare-and-set of the key: replaces it only while the current thumbprint is `oldThumbprint` and the account
   * is valid (`stale` otherwise). `conflict` names the account that already holds the new key.
   */
  changeKey(
    directory: string,
    id: AccountId,
    change: { oldThumbprint: string; jwk: Jwk; thumbprint: string; spkiSha256: string; audit: AuditEvent },
  ): Promise<
    | { outcome: 'changed'; account: AccountRecord }
    | { outcome: 'conflict'; accountId: AccountId }
    | { outcome: 'stale' }
  >
}

export interface EabKeyStore {
  create(key: EabKeyRecord, audit: AuditEvent): Promise<void>
  /** All of them or none; `taken` names those whose id there is already, and then nothing is stored. */
  createAll(keys: readonly EabKeyRecord[], audit: readonly AuditEvent[]): Promise<{ taken: readonly EabKeyId[] }>
  find(id: EabKeyId): Promise<EabKeyRecord | undefined>
  list(directory?: string): Promise<EabKeyRecord[]>
  /** At most `limit` accounts made with this very key, the oldest first, and how many there are. */
  accountsOf(
    id: EabKeyId,
    limit: number,
  ): Promise<{ count: number; accounts: readonly Pick<AccountRecord, 'id' | 'directory' | 'createdAt'>[] }>
  /**
   * Changes the lineage of a key in one transaction: `edit` is given all its keys, the first one first, and says which
   * to store. A key with a new id is added. May be called more than once, and has no effect but its value; undefined
   * changes nothing. Resolves with what was stored, empty for nothing; undefined when there is no such key.
   */
  edit(id: EabKeyId, edit: LineageEdit): Promise<readonly EabKeyRecord[] | undefined>
}

export type LineageEdit = (
  lineage: readonly EabKeyRecord[],
) => { readonly put: readonly EabKeyRecord[]; readonly audit: readonly AuditEvent[] } | undefined
