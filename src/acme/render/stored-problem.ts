import type { StoredProblem } from '../../store/records.ts'

const URN = 'urn:ietf:params:acme:error:'

/** The problem inside an order or a challenge (RFC 8555 §6.7); absent members are left out (CQ-T09). */
export function renderStoredProblem(problem: StoredProblem): object {
  const subproblems = problem.subproblems ?? []
  return {
    type: URN + problem.type,
    detail: problem.detail,
    status: problem.status,
    ...(subproblems.length > 0 && {
      subproblems: subproblems.map(({ type, detail, identifier }) => ({
        type: URN + type,
        detail,
        ...(identifier && { identifier: { type: identifier.type, value: identifier.value } }),
      })),
    }),
  }
}
