import type { ProfileSnapshot } from '../store/records.ts'
import type { JsonObject, JsonValue } from './endpoint.ts'
import { parseInstant } from './instant.ts'
import { AcmeError } from './problem.ts'
import { renderInstant } from './render/instant.ts'

/** What an order asks of the validity; each end may be absent. `lifetimeSeconds` is what comes of it, for policy. */
export interface RequestedValidity {
  readonly notBefore?: Date
  readonly notAfter?: Date
  readonly lifetimeSeconds: number
}

/**
 * Reads `notBefore` and `notAfter` of a newOrder payload (RFC 8555 §7.4). What cannot be honoured is refused, never
 * changed; each works alone. `notBefore` may lie at most `maxNotBeforeAheadSeconds` ahead, because the usual reason
 * for more is that a client put the end there (CQ-O16), and at most the profile's backdate behind.
 *
 * @throws {AcmeError} `malformed`, naming member, value and limit
 */
export function readRequestedValidity(
  payload: JsonObject,
  context: { readonly profile: ProfileSnapshot; readonly maxNotBeforeAheadSeconds: number; readonly now: Date },
): RequestedValidity {
  const { profile, now } = context
  const notBefore = readInstant(payload['notBefore'], 'notBefore')
  const notAfter = readInstant(payload['notAfter'], 'notAfter')
  if (notBefore !== undefined) checkNotBefore(notBefore, context)
  if (notAfter === undefined) {
    return { ...(notBefore && { notBefore }), lifetimeSeconds: profile.lifetimeSeconds }
  }
  const seconds = Math.floor((notAfter.getTime() - (notBefore ?? now).getTime()) / 1000)
  const from = notBefore === undefined ? 'now' : `notBefore ${renderInstant(notBefore)}`
  if (seconds <= 0 || notAfter <= now) {
    const later = seconds <= 0 ? from : 'now'
    throw new AcmeError('malformed', `notAfter ${renderInstant(notAfter)} is not later than ${later}`)
  }
  // Both ends count (RFC 5280 §4.1.2.5). Without notBefore the start is ours, and gives way by that second.
  const lifetimeSeconds = notBefore === undefined ? seconds : seconds + 1
  if (lifetimeSeconds > profile.maxLifetimeSeconds) {
    throw new AcmeError(
      'malformed',
      `notAfter ${renderInstant(notAfter)} is too late: from ${from} that is ${lifetimeSeconds} seconds, both ends ` +
        `counted; profile ${profile.name} allows at most ${profile.maxLifetimeSeconds} seconds`,
    )
  }
  return { ...(notBefore && { notBefore }), notAfter, lifetimeSeconds }
}

function checkNotBefore(
  notBefore: Date,
  context: { readonly profile: ProfileSnapshot; readonly maxNotBeforeAheadSeconds: number; readonly now: Date },
): void {
  const ahead = (notBefore.getTime() - context.now.getTime()) / 1000
  if (ahead > context.maxNotBeforeAheadSeconds) {
    throw new AcmeError(
      'malformed',
      `notBefore ${renderInstant(notBefore)} is more than ${context.maxNotBeforeAheadSeconds} seconds in the future; ` +
        'leave it out to start now. If you meant the end of the certificate, that is notAfter',
    )
  }
  if (-ahead > context.profile.backdateSeconds) {
    throw new AcmeError(
      'malformed',
      `notBefore ${renderInstant(notBefore)} is more than ${context.profile.backdateSeconds} seconds in the past; ` +
        'leave it out to start now',
    )
  }
}

/** `null` counts as absent, as some clients write it. */
function readInstant(value: JsonValue | undefined, member: string): Date | undefined {
  if (value === undefined || value === null) return undefined
  const instant = typeof value === 'string' ? parseInstant(value) : undefined
  if (instant === undefined) {
    throw new AcmeError('malformed', `"${member}" must be an RFC 3339 time such as "2026-01-02T03:04:05Z"`)
  }
  return instant
}
