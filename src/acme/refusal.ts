import type { Identifier } from '../lib/identifier.ts'
import type { RequestId } from '../lib/ids.ts'
import type { Decision, Reason } from '../policy/decision.ts'
import { identifierError } from './identifiers.ts'
import type { ProblemType, Subproblem } from './problem.ts'
import { AcmeError } from './problem.ts'

/** What an ACME client is told for each kind of reason. A name's refusal is about the name, whatever the code. */
const PROBLEM_OF_REASON = {
  'name-not-allowed': 'rejectedIdentifier',
  'name-denied': 'rejectedIdentifier',
  'name-type': 'rejectedIdentifier',
  key: 'badCSR',
  profile: 'invalidProfile',
  lifetime: 'malformed',
  usage: 'unauthorized',
  subject: 'unauthorized',
  proof: 'unauthorized',
  condition: 'rejectedIdentifier',
  often: 'rateLimited',
  unavailable: 'serverInternal',
  allowed: 'unauthorized',
} as const satisfies Record<Reason['code'], ProblemType>

/** How long a client may wait when a part that policy depends on is down (KF-G01). */
const UNAVAILABLE_RETRY_SECONDS = 30

/**
 * A denial as the client reads it: every rule that spoke, a subproblem for each bad name, and the reference by which
 * the operator finds the decision (CQ-F10).
 *
 * @param at when it was decided
 */
export function refusalError(decision: Decision & { outcome: 'deny' }, requestId: RequestId, at: Date): AcmeError {
  const note = ` (${reference(requestId)})`
  const { reasons } = decision
  if (reasons.length > 0 && reasons.every(({ code }) => code === 'often')) return tooOften(reasons, note, at)
  const names = reasons.filter((reason) => reason.name !== undefined && reason.code !== 'unavailable')
  if (names.length > 0) return identifierError(names.map(subproblem), note)
  const worst = reasons[0]
  if (reasons.some((reason) => reason.code === 'unavailable') || worst === undefined) {
    return new AcmeError('serverInternal', `The request cannot be decided at this time; try again later${note}`, {
      status: 503,
      retryAfterSeconds: UNAVAILABLE_RETRY_SECONDS,
    })
  }
  return new AcmeError(PROBLEM_OF_REASON[worst.code], `${reasons.map(sentence).join('; ')}${note}`)
}

/** Nothing is wrong but the time: it says when all of it will be right (KF-F07). */
function tooOften(reasons: readonly Reason[], note: string, at: Date): AcmeError {
  const latest = Math.max(...reasons.map(({ retryAt }) => (retryAt ?? at).getTime()))
  const subproblems = reasons.map(subproblem)
  return new AcmeError('rateLimited', identifierError(subproblems, note).message, {
    retryAfterSeconds: Math.max(1, Math.ceil((latest - at.getTime()) / 1000)),
    subproblems,
  })
}

export function reference(requestId: RequestId): string {
  return `reference ${requestId}`
}

function subproblem(reason: Reason): Subproblem {
  const identifier = asIdentifier(reason.name)
  return { type: PROBLEM_OF_REASON[reason.code], detail: sentence(reason), ...(identifier && { identifier }) }
}

function sentence(reason: Reason): string {
  return `${reason.detail} [policy rule ${reason.rule}]`
}

function asIdentifier(name: Reason['name']): Identifier | undefined {
  return name === undefined || name.type === 'other' ? undefined : { type: name.type, value: name.value }
}
