import type { Change, EabKeyFacts } from './history.ts'
import type { AccountRecord, AuditEvent, CertificateRecord, StoredProblem } from './records.ts'

export type IssuedCertificate = CertificateRecord & { readonly certificateDer: Buffer }
export type KnownRevocation = Extract<Change, { kind: 'revocation' }>

/** What a restore put an end to. */
export interface Ended {
  readonly orders: number
  readonly reservations: number
  readonly authorizations: number
  readonly validationJobs: number
  readonly eabKeys: number
  readonly nameGrants: number
}

/**
 * What a restore does to a store that holds an older state, so that nothing is used twice and nothing that ended comes
 * alive again (KF-E08). Every step may be repeated; nothing is served between `begin` and `finish`.
 */
export interface RecoveryStore {
  /** Begins a further life, or goes on with one that did not finish. @returns its epoch */
  begin(lineage: string, now: Date): Promise<number>
  /**
   * Puts back certificates that are known from elsewhere: unknown ones are added, open or given-up reservations of the
   * same bytes completed with their orders, known ones left. `conflicting` is a serial under which the store has other
   * bytes. The same order as given.
   */
  putCertificates(
    certificates: readonly IssuedCertificate[],
  ): Promise<('added' | 'completed' | 'known' | 'conflicting')[]>
  /** Revokes again, with the first date and the gravest reason; a revocation for keyCompromise blocks the key. */
  putRevocations(revocations: readonly KnownRevocation[]): Promise<('revoked' | 'known' | 'unknown')[]>
  /**
   * Puts accounts into the state given; one that ended here or there stays ended. `conflicting`: another account, that
   * is not given, holds the key; then the account given can do nothing any more.
   */
  putAccounts(accounts: readonly AccountRecord[], now: Date): Promise<('added' | 'changed' | 'conflicting')[]>
  /** Marks keys as used or revoked as they are known to be. `unknown`: the store does not have the key. */
  putEabKeys(keys: readonly EabKeyFacts[]): Promise<('ended' | 'as-it-was' | 'unknown')[]>
  /**
   * Ends everything that was under way, makes all nonces void, moves CRL numbers ahead and drops stored CRLs, so that
   * new ones are made at once. One transaction with the audit event and the end of the restore.
   */
  finish(options: {
    readonly now: Date
    /** Told to clients that ask for an order that was under way. */
    readonly error: StoredProblem
    /** Named secrets to forget; the next start makes new ones. */
    readonly voidSecrets: readonly string[]
    readonly voidEabKeys: boolean
    /** CRL numbers known from elsewhere, by issuer. Each issuer goes on far above the greatest known one. */
    readonly crlNumbers: ReadonlyMap<string, bigint>
    readonly audit: (ended: Ended) => AuditEvent
  }): Promise<Ended>
  /** Certificates that were issued elsewhere than through this store's history, with one audit event each. */
  importCertificates(
    certificates: readonly IssuedCertificate[],
    audit: (certificate: IssuedCertificate) => AuditEvent,
  ): Promise<('added' | 'completed' | 'known' | 'conflicting')[]>
}
