import type { Decision, PolicyRequest } from '../policy/decision.ts'
import type { AuditEvent } from './records.ts'

/** A decision as it was made: everything that was asked, and everything that was answered. */
export interface DecisionRecord {
  /** The request that it was made for, by the id that the requester was given; absent for work that goes on by itself. */
  readonly reference?: string
  readonly orderId?: string
  /** Of the certificate that was allowed, or that a reservation was given up for. */
  readonly serial?: string
  readonly request: PolicyRequest
  readonly decision: Decision
}

/** What policy decided. That a certificate is allowed is written with its reservation: see `certificates.begin`. */
export interface DecisionStore {
  append(decision: DecisionRecord, audit: AuditEvent): Promise<void>
  /** Those of this request or order, oldest first, at most `limit`. */
  find(reference: string, limit: number): Promise<DecisionRecord[]>
  /**
   * Those made at `since` or later, newest first, page by page; `next` is absent on the last page. What cannot be read
   * is counted in `unreadable` and left out.
   */
  page(options: { readonly since: Date; readonly limit: number; readonly before?: number }): Promise<{
    readonly decisions: readonly DecisionRecord[]
    readonly unreadable: number
    readonly next?: number
  }>
}

/** A policy that was in force: a file of rules, or one of the configuration. */
export interface PolicyVersion {
  /** Hash of the text, as decisions name it. */
  readonly version: string
  /** The first time that it came into force. */
  readonly loadedAt: Date
  readonly author: string
  readonly text: string
}

export interface PolicyVersionStore {
  /** Notes that a policy is in force from `loadedAt` on; one that was before keeps its first time and author. */
  record(version: PolicyVersion, audit: AuditEvent): Promise<void>
  find(version: string): Promise<PolicyVersion | undefined>
  /** The newest in force first, at most `limit`, with how long each text is in characters. */
  list(limit: number): Promise<(Omit<PolicyVersion, 'text'> & { lastLoadedAt: Date; size: number })[]>
}
