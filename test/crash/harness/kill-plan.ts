import type { Choices } from './choices.ts'

/** How one life of the server ends. */
export type KillPlan =
  /** From outside, so long after it was ready. */
  | { readonly kind: 'time'; readonly afterMs: number }
  /** From outside, so long after its process began: while it opens the store, resumes work, binds its listeners. */
  | { readonly kind: 'start'; readonly afterMs: number }
  /** The same in a state folder of its own, where everything has yet to be made: schema, CA, keys. */
  | { readonly kind: 'first-start'; readonly afterMs: number }
  /** It is told to stop, and killed when it takes longer than `graceMs` to end; a stop in good order is no kill. */
  | { readonly kind: 'stop'; readonly afterMs: number; readonly graceMs: number }
  /** The database first, while the server lives on without it; then the server. */
  | { readonly kind: 'database'; readonly afterMs: number; readonly thenMs: number }
  /** From inside, at a place; see `test/support/kill-at.ts`. */
  | {
      readonly kind: 'commit' | 'event' | 'inside-commit' | 'checkpoint' | 'signing' | 'first-commits'
      readonly place: string
    }

export type KillKind = KillPlan['kind']

/** Every audit event that a client of the harness brings about, and so every kind of commit that one can wait for. */
export const KILL_EVENTS = [
  'account.created',
  'account.updated',
  'account.key-changed',
  'account.deactivated',
  'order.created',
  'authorization.deactivated',
  'challenge.responded',
  'validation.succeeded',
  'validation.failed',
  'certificate.intended',
  'certificate.issued',
  'certificate.revoked',
  'crl.published',
] as const

/** A start takes about this long; a kill later than that would find a server that is ready. */
const START_MS = 900
/** Commits of one second under the load of the harness, roughly; a life that has fewer is ended by its time. */
const COMMITS_PER_SECOND = 40
const SIGNINGS_PER_SECOND = 6
/** Commits of a first start: every migration, then secrets, the CRL and the server's own certificate. */
const FIRST_COMMITS = 8
const LONGEST_COMMIT_MS = 3
/** A stop in good order takes less, mostly. */
const LONGEST_STOP_MS = 600

/** Draws the end of one life. Events take their turn, so that a long run has each of them on both sides. */
export function drawKill(
  choices: Choices,
  options: {
    readonly life: number
    readonly secondsPerLife: number
    readonly weights: Readonly<Record<KillKind, number>>
  },
): KillPlan {
  const { life, secondsPerLife, weights } = options
  const kind = choices.weighted(weights)
  const side = choices.pick(['before', 'after'])
  const commit = (most: number): number => choices.int(1, Math.max(1, Math.round(most)))
  switch (kind) {
    case 'time':
      return { kind, afterMs: choices.int(0, secondsPerLife * 1000) }
    case 'start':
    case 'first-start':
      return { kind, afterMs: choices.int(0, START_MS) }
    case 'event': {
      const event = KILL_EVENTS[life % KILL_EVENTS.length] ?? KILL_EVENTS[0]
      return { kind, place: `${side} ${event} ${choices.int(1, 3)}` }
    }
    case 'commit':
      return { kind, place: `${side} commit ${commit(secondsPerLife * COMMITS_PER_SECOND)}` }
    case 'inside-commit': {
      const delayMs = (choices.fraction() ** 2 * LONGEST_COMMIT_MS).toFixed(3)
      return { kind, place: `inside commit ${commit(secondsPerLife * COMMITS_PER_SECOND)} ${delayMs}` }
    }
    case 'checkpoint': {
      const place = choices.pick(['before checkpoint', 'after checkpoint', 'inside checkpoint', 'inside checkpoint'])
      return {
        kind,
        place: `${place} ${choices.int(1, 4)} ${(choices.fraction() ** 2 * LONGEST_COMMIT_MS).toFixed(3)}`,
      }
    }
    case 'database':
      return { kind, afterMs: choices.int(0, secondsPerLife * 1000), thenMs: choices.int(0, secondsPerLife * 1000) }
    case 'stop':
      return { kind, afterMs: choices.int(0, secondsPerLife * 1000), graceMs: choices.int(0, LONGEST_STOP_MS) }
    case 'signing':
      return { kind, place: `${side} signing ${commit(secondsPerLife * SIGNINGS_PER_SECOND)}` }
    case 'first-commits': {
      const place = choices.pick(['before commit', 'after commit', 'inside commit'])
      return { kind, place: `${place} ${commit(FIRST_COMMITS)} ${(choices.fraction() * 1).toFixed(3)}` }
    }
    default:
      return kind satisfies never
  }
}
