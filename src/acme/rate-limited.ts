import { identifierKey } from '../lib/identifier.ts'
import { LIMITS } from '../limits/limit-names.ts'
import type { Admission, Limited, Limits } from '../limits/limits.ts'
import type { Charge } from '../limits/shared-limits.ts'
import { AcmeError, type AcmeErrorOptions } from './problem.ts'
import { renderInstant } from './render/instant.ts'

/**
 * A refusal for coming too soon (RFC 8555 §6.6): which limit, how large it is, when to come back, and where the operator
 * finds it. Names that are paused are told apart in subproblems (§6.7.1), so that a client can go on without them.
 */
export function rateLimited(limited: Limited, { helpUrl }: Pick<Limits, 'helpUrl'>): AcmeError {
  const { retryAfterSeconds, pauses } = limited
  const options: AcmeErrorOptions = {
    retryAfterSeconds,
    ...(helpUrl !== undefined && { links: [{ url: helpUrl, rel: 'help' as const }] }),
    ...(pauses !== undefined && {
      subproblems: pauses.map(({ identifier, failures, pausedUntil }) => ({
        type: 'rateLimited' as const,
        detail: `${failures} proofs of this name failed in a row; it is paused until ${renderInstant(pausedUntil)}`,
        identifier,
      })),
    }),
  }
  return new AcmeError('rateLimited', `${reasonOf(limited)} Come back after ${renderInstant(limited.retryAt)}`, options)
}

/** What was taken, to be given back if nothing comes of it. @throws {AcmeError} `rateLimited` */
export function admitted(admission: Admission, limits: Limits): readonly Charge[] {
  if (admission.limited !== undefined) throw rateLimited(admission.limited, limits)
  return admission.taken
}

/** What comes of the work that this was taken for; where it fails, it is given back. */
export async function orGivenBack<T>(work: Promise<T>, taken: readonly Charge[], limits: Limits): Promise<T> {
  try {
    return await work
  } catch (error) {
    limits.giveBack(taken)
    throw error
  }
}

/** How many names of a pause are told in the detail, which is all that users see. */
const SHOWN_NAMES = 3

function reasonOf({ limit, size, pauses }: Limited): string {
  if (limit !== 'pause') return `Too many ${LIMITS[limit]}: limits.${limit} is ${size}.`
  const [first] = pauses ?? []
  const names = (pauses ?? []).slice(0, SHOWN_NAMES).map(({ identifier }) => identifier.value)
  const more = (pauses?.length ?? 0) > SHOWN_NAMES ? ' and others' : ''
  return (
    `Paused after ${size} failed proofs in a row (limits.pauseAfterFailures): ${names.join(', ')}${more}. Repair what ` +
    'the errors of the failed challenges tell; the operator ends a pause with ' +
    `\`chancery limits clear ${first === undefined ? 'KEY' : `${first.accountId}/${identifierKey(first.identifier)}`}\`.`
  )
}
