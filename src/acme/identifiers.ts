import type { Identifier } from '../lib/identifier.ts'
import { distinctIdentifiers, isIdentifierType, parseIdentifier } from '../lib/identifier.ts'
import type { JsonObject, JsonValue } from './endpoint.ts'
import type { ProblemType, Subproblem } from './problem.ts'
import { AcmeError, PROBLEMS } from './problem.ts'

/**
 * Reads the `identifiers` of a newOrder payload (RFC 8555 §7.4) into normal form, each once, in the order of the
 * client. Overlapping names (`*.a.test` with `www.a.test`) are different identifiers, and each is proved (KF-A28).
 *
 * @param limit how many the client may name, counted before anything is looked at (KF-F03)
 * @throws {AcmeError} naming every bad identifier at once, with a subproblem each (§6.7.1)
 */
export function readIdentifiers(value: JsonValue | undefined, limit: number): readonly Identifier[] {
  if (!Array.isArray(value) || value.length === 0) {
    throw new AcmeError('malformed', 'The payload needs "identifiers": a non-empty array of {"type", "value"} objects')
  }
  const entries: readonly JsonValue[] = value
  if (entries.length > limit) {
    throw new AcmeError(
      'malformed',
      `The order names ${entries.length} identifiers; at most ${limit} are allowed in one order`,
    )
  }
  const good: Identifier[] = []
  const bad: Subproblem[] = []
  for (const [index, entry] of entries.entries()) {
    const read = readIdentifier(entry, `identifiers[${index}]`)
    if ('identifier' in read) good.push(read.identifier)
    else bad.push(read.problem)
  }
  if (bad.length > 0) throw identifierError(bad)
  return distinctIdentifiers(good)
}

/**
 * Reads one identifier object.
 *
 * @param where its place in the payload, for the detail
 */
export function readIdentifier(
  value: JsonValue | undefined,
  where: string,
): { readonly identifier: Identifier } | { readonly problem: Subproblem } {
  if (!isObject(value) || typeof value['type'] !== 'string' || typeof value['value'] !== 'string') {
    return {
      problem: { type: 'malformed', detail: `"${where}" must be an object with the text members "type" and "value"` },
    }
  }
  const { type, value: text } = value
  const parsed = parseIdentifier({ type, value: text })
  if (parsed.ok) return { identifier: parsed.identifier }
  return { problem: { type: parsed.problem, detail: parsed.detail, ...echo(type, text) } }
}

/** One error for one or more bad identifiers: their common type, or `compound` with the severest status. */
export function identifierError(problems: readonly Subproblem[], note = ''): AcmeError {
  const types = new Set(problems.map((problem) => problem.type))
  const [only] = types
  const type: ProblemType = types.size === 1 && only !== undefined ? only : 'compound'
  const details = problems.map((problem) => problem.detail)
  const shown = details.slice(0, SHOWN_IN_DETAIL).join('; ')
  const more = details.length > SHOWN_IN_DETAIL ? `; and ${details.length - SHOWN_IN_DETAIL} more, see subproblems` : ''
  return new AcmeError(type, `${shown}${more}${note}`, {
    status: Math.max(...problems.map((problem) => PROBLEMS[problem.type].status)),
    subproblems: problems,
  })
}

/** Users see `detail` only, so the first few are in it (CQ-F10). */
const SHOWN_IN_DETAIL = 5
const LONGEST_ECHO = 255

/** The identifier as the client wrote it, so that it can find and drop it; left out where the text is absurd. */
function echo(type: string, value: string): { identifier?: Identifier } {
  if (!isIdentifierType(type) || value.length > LONGEST_ECHO) return {}
  return { identifier: { type, value } }
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
