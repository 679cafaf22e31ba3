import { PROBLEMS } from '../acme/problem.ts'
import type { Identifier } from '../lib/identifier.ts'
import type { AuditEvent, AuthorizationRecord, StoredProblem, ValidationJob } from '../store/records.ts'
import { ValidationFailure } from './failure.ts'
import type { Evidence } from './probe.ts'

/** The challenge's error (RFC 8555 §8). */
export function challengeProblem(failure: ValidationFailure): StoredProblem {
  return { type: failure.type, detail: failure.message, status: PROBLEMS[failure.type].status }
}

/** The error of the orders that fall with an authorization: which name, and why (CQ-F10). */
export function orderProblem(authorization: AuthorizationRecord, failure: ValidationFailure): StoredProblem {
  const identifier = orderIdentifier(authorization)
  return {
    type: 'unauthorized',
    detail: `Control of ${identifier.value} was not proven. ${failure.message}`,
    status: PROBLEMS.unauthorized.status,
    subproblems: [{ type: failure.type, detail: failure.message, identifier }],
  }
}

/** Anything else that a probe throws is our own fault, and tells the requester nothing (KF-F21). */
export function toFailure(error: unknown): ValidationFailure {
  if (error instanceof ValidationFailure) return error
  return new ValidationFailure('serverInternal', 'The validation could not be carried out', { cause: error })
}

export function validationAudit(
  event: 'validation.succeeded' | 'validation.failed',
  job: ValidationJob,
  now: Date,
  data: { readonly attempt: number; readonly evidence?: Evidence; readonly problem?: StoredProblem },
): AuditEvent {
  const { authorization, challenge } = job
  return {
    at: now,
    event,
    directory: authorization.directory,
    accountId: authorization.accountId,
    data: {
      authorizationId: authorization.id,
      challengeId: challenge.id,
      type: challenge.type,
      identifier: authorization.identifier,
      wildcard: authorization.wildcard,
      ...data,
    },
  }
}

/** The name as orders have it, with `*.` for a wildcard. */
function orderIdentifier({ identifier, wildcard }: AuthorizationRecord): Identifier {
  return wildcard ? { type: identifier.type, value: `*.${identifier.value}` } : identifier
}
