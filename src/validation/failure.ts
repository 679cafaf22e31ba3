import type { ProblemType } from '../acme/problem.ts'

/** The problem types a proof can end with (RFC 8555 §6.7, §8). */
export type FailureType = Extract<
  ProblemType,
  'connection' | 'dns' | 'incorrectResponse' | 'malformed' | 'serverInternal' | 'tls' | 'unauthorized'
>

/**
 * A proof that did not hold. `message` is read by the requester: it names what was asked and what came, never a byte
 * of what was fetched (KF-A14), and never token or key authorization.
 */
export class ValidationFailure extends Error {
  readonly type: FailureType
  /** True when asking again cannot help: the target is refused by policy, or the challenge cannot apply. */
  readonly hopeless: boolean

  constructor(type: FailureType, detail: string, options: { hopeless?: boolean; cause?: unknown } = {}) {
    super(detail, options.cause === undefined ? undefined : { cause: options.cause })
    this.type = type
    this.hopeless = options.hopeless ?? false
  }
}
