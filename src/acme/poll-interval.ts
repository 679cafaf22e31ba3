import { spread } from '../http/returning-crowd.ts'
import type { AcmeServices } from './endpoint.ts'

/** What a client waits for. */
export type Awaited = 'validation' | 'issuance'

/** `Retry-After` of a server that has nothing else to do: most proofs take well under a second (CQ-F04). */
const IDLE_SECONDS = { validation: 1, issuance: 3 } as const
/** Polls are work too; past capacity they come at most this often. */
const OVERLOADED_SECONDS = 4
/** Some clients give up on a longer one (CQ-F04). */
const LONGEST_SECONDS = 40

/** `Retry-After` of a poll. */
export function pollSeconds(about: Awaited, services: Pick<AcmeServices, 'pollSeconds'>): number {
  return services.pollSeconds?.(about) ?? IDLE_SECONDS[about]
}

/** Sizes polls by what is in line before the client, and spreads those that would otherwise come together (CQ-L07). */
export function createPollPace(
  load: { readonly isOverloaded: boolean },
  { validation, random }: Pick<AcmeServices, 'validation' | 'random'>,
): (about: Awaited) => number {
  return (about) => {
    const idle = IDLE_SECONDS[about]
    const behind = about === 'validation' ? validation.waitSeconds() : 0
    const wanted = Math.max(idle, behind, load.isOverloaded ? OVERLOADED_SECONDS : 0)
    return wanted === idle ? idle : spread(Math.min(wanted, LONGEST_SECONDS), random)
  }
}
