import type { Identifier } from '../lib/identifier.ts'
import type { OrderId } from '../lib/ids.ts'
import type { Decision, Proof, Requester } from '../policy/decision.ts'
import type { CertificateRecord, ProfileSnapshot } from '../store/records.ts'
import type { SubjectPublicKey } from '../x509/spki.ts'

/**
 * The single road to a certificate. A front end brings who asks, what was proven, and a public key whose private
 * half the requester showed to hold; nothing else of a CSR comes this far (KF-C08).
 */
export interface EnrollmentRequest {
  readonly requestId: string
  readonly requester: Requester
  /** Proven identifiers, already normal; they become the SAN, in this order. */
  readonly identifiers: readonly Identifier[]
  /** How each was proven, for policy; absent for the server's own certificate. */
  readonly proofs?: readonly Proof[]
  readonly publicKey: SubjectPublicKey
  readonly profile: ProfileSnapshot
  readonly notBefore?: Date
  readonly notAfter?: Date
  /** The ACME order to claim; absent for the server's own certificate. `csrSha256` tells a repeat from another CSR. */
  readonly order?: {
    readonly id: OrderId
    readonly directory: string
    readonly accountId: string
    readonly csrSha256: string
  }
}

export type EnrollmentResult =
  /** `isOrderDone`: its order got it in the same commit. Where that is not known, the order must be read. */
  | { readonly outcome: 'issued'; readonly certificate: CertificateRecord; readonly isOrderDone: boolean }
  /** Claimed and stored, but the signer has not answered yet; `resume` or the running attempt will end it. */
  | { readonly outcome: 'processing' }
  /** Policy said no; nothing was claimed. */
  | { readonly outcome: 'refused'; readonly decision: Decision }
  /** Well-formed but impossible as asked: names, key or times; nothing was claimed. `detail` is for the requester. */
  | { readonly outcome: 'unacceptable'; readonly about: 'key' | 'validity' | 'names'; readonly detail: string }
  /** The order was not ready when the claim was made: somebody else claimed it, it expired, or its account ended. */
  | { readonly outcome: 'not-ready' }
  /** Nothing was claimed, because of us and for now: the clock cannot be trusted, or the issuing CA may not sign. `cause` is for the operator. */
  | { readonly outcome: 'unavailable'; readonly cause: Error }
  /** Too many are at the signer; nothing was claimed. */
  | { readonly outcome: 'busy' }
  /** Claimed, then failed for good; the order is invalid and holds the error. */
  | { readonly outcome: 'failed' }

export interface Enrollment {
  enroll(request: EnrollmentRequest): Promise<EnrollmentResult>
  /**
   * Finishes or gives up what a crash or an unreachable signer left between the two commits (KF-E01, KF-E13). Returns
   * how many. Reservations of the last half minute are left alone, because another process may be at work on them;
   * with `noOthers` it is known that none is, and those that were made before this process are taken up at once.
   */
  resume(options?: { readonly noOthers?: boolean }): Promise<number>
  /** How full the line at the signer is: 0 when idle; from 1 on nothing new should be begun (KF-F23). */
  pressure(): number
}
