import type { Identifier } from '../lib/identifier.ts'

/**
 * RFC 8555 §6.7 and the IANA registry "ACME Error Types", with the status that this server sends. Nothing is
 * invented inside the ACME URN; what has no type there is `malformed` with a status that says more (404, 405, 409, 413,
 * 415), because clients look for the URN.
 */
export const PROBLEMS = {
  accountDoesNotExist: { status: 400 }, // §7.3.1
  alreadyReplaced: { status: 409 }, // RFC 9773 §7.4
  alreadyRevoked: { status: 400 }, // §7.6
  badCSR: { status: 400 }, // §7.4
  badNonce: { status: 400 }, // §6.5, with a fresh Replay-Nonce
  badPublicKey: { status: 400 }, // §6.2
  badRevocationReason: { status: 400 }, // §7.6
  badSignatureAlgorithm: { status: 400 }, // §6.2, with `algorithms`
  caa: { status: 403 },
  compound: { status: 400 }, // §6.7.1
  connection: { status: 400 },
  dns: { status: 400 },
  externalAccountRequired: { status: 403 }, // §7.3.4
  incorrectResponse: { status: 400 },
  invalidContact: { status: 400 }, // §7.3
  invalidProfile: { status: 400 }, // draft-ietf-acme-profiles §4
  malformed: { status: 400 },
  orderNotReady: { status: 403 }, // §7.4
  rateLimited: { status: 429 }, // §6.6
  rejectedIdentifier: { status: 403 },
  serverInternal: { status: 500 },
  tls: { status: 400 },
  unauthorized: { status: 403 },
  unsupportedContact: { status: 400 }, // §7.3
  unsupportedIdentifier: { status: 400 },
  userActionRequired: { status: 403 }, // §7.3.3
} as const satisfies Record<string, { status: number }>

export type ProblemType = keyof typeof PROBLEMS

export interface Subproblem {
  readonly type: ProblemType
  readonly detail: string
  readonly identifier?: Identifier
}

export interface AcmeErrorOptions {
  /** Where it differs from the table: 401 for ended accounts, 404, 405, 409, 413, 415, 503. */
  readonly status?: number
  readonly subproblems?: readonly Subproblem[]
  /** For `badSignatureAlgorithm` (§6.2). */
  readonly algorithms?: readonly string[]
  readonly location?: string
  readonly links?: readonly { readonly url: string; readonly rel: 'terms-of-service' | 'help' }[]
  readonly instance?: string
  readonly retryAfterSeconds?: number
  readonly allow?: readonly string[]
  /** Refused for want of capacity: no fault of ours that the operator's log should cry about. */
  readonly isBusy?: true
  /** Told to the operator's log, never to the requester. */
  readonly cause?: unknown
}

/** A failure the requester is meant to read, saying what was wrong and what to do; anything else thrown becomes `serverInternal`. */
export class AcmeError extends Error {
  readonly type: ProblemType
  readonly status: number
  readonly options: AcmeErrorOptions
  constructor(type: ProblemType, detail: string, options: AcmeErrorOptions = {}) {
    super(detail, options.cause === undefined ? undefined : { cause: options.cause })
    this.type = type
    this.status = options.status ?? PROBLEMS[type].status
    this.options = options
  }
}
