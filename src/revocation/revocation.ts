import type { CertificateRecord, RevocationReason } from '../store/records.ts'

/** Revokes, and sees to it that the next CRL says so in time. */
export interface Revocation {
  /**
   * @returns `revoked` (durable), `raised` (reason is now keyCompromise), `already` with the record, or `unknown`
   */
  revoke(request: {
    readonly issuerId: string
    readonly serial: string
    readonly reason: RevocationReason
    /** Whether an already revoked certificate may have its reason raised to keyCompromise: only by proof of the key. */
    readonly provedKey: boolean
    readonly requestId: string
    readonly by: 'issuing-account' | 'authorized-account' | 'certificate-key' | 'operator'
    readonly accountId?: string
    readonly directory?: string
  }): Promise<
    | { readonly outcome: 'revoked' | 'raised' | 'already'; readonly certificate: CertificateRecord }
    | { readonly outcome: 'unknown' }
  >
}
