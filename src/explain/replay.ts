import type { Decision, PolicyRequest, Reason } from '../policy/decision.ts'
import type { DecisionRecord, DecisionStore } from '../store/decisions.ts'
import { oftenRulesOf, type PolicyInUse } from './policy-in-use.ts'

/** A past decision that another policy would not have made. */
export interface Difference {
  /**
   * - `refused`: a certificate that was issued would be refused
   * - `shortened`: it would be issued to those that ask for no end, but for `lifetimeSeconds`
   * - `allowed`: what was refused would be allowed
   */
  readonly change: 'refused' | 'shortened' | 'allowed'
  readonly at: Date
  readonly stage: PolicyRequest['stage']
  readonly reference?: string
  readonly orderId?: string
  readonly serial?: string
  readonly requester: PolicyRequest['requester']
  readonly names: readonly string[]
  readonly profile: string
  readonly lifetimeSeconds?: number
  /** What would be said now. */
  readonly reasons: readonly Reason[]
}

export interface Replay {
  /** That were asked again. */
  readonly decisions: number
  readonly same: number
  readonly refused: number
  readonly shortened: number
  readonly allowed: number
  /** Stored decisions that cannot be read. */
  readonly unreadable: number
  /**
   * About which rules say nothing: of directories that are not there any more, the server's own certificate, and what
   * was refused for how often, or because nothing could be decided.
   */
  readonly skipped: number
  /** Of those that would be allowed, by rules that say how often a name may be certified: that was not judged. */
  readonly oftenNotJudged: number
}

const PAGE = 500

/**
 * Asks a policy again what was asked since an instant: with the facts of that time, so that rules that end, attributes
 * of keys and proofs count as they did then.
 *
 * @param found is told of every difference, the newest first
 */
export async function replay(
  store: DecisionStore,
  { since, policy, found }: { readonly since: Date; readonly policy: PolicyInUse; found(difference: Difference): void },
): Promise<Replay> {
  const counts = {
    decisions: 0,
    same: 0,
    refused: 0,
    shortened: 0,
    allowed: 0,
    unreadable: 0,
    skipped: 0,
    oftenNotJudged: 0,
  }
  let before: number | undefined
  do {
    const page = await store.page({ since, limit: PAGE, ...(before !== undefined && { before }) })
    counts.unreadable += page.unreadable
    for (const record of page.decisions) {
      const verdict = await again(record, policy, (decision) => {
        if (oftenRulesOf(policy, decision).length > 0) counts.oftenNotJudged++
      })
      if (verdict !== 'skipped') counts.decisions++
      if (verdict === 'same' || verdict === 'skipped') counts[verdict]++
      else {
        counts[verdict.change]++
        found(verdict)
      }
    }
    before = page.next
  } while (before !== undefined)
  return counts
}

/** @param decided is told once of what would be decided now, where that counts */
async function again(
  record: DecisionRecord,
  inUse: PolicyInUse,
  decided: (now: Decision) => void,
): Promise<Difference | 'same' | 'skipped'> {
  const { request, decision: then } = record
  if (request.requester.kind !== 'account') return 'skipped'
  const policy = inUse.of(request.requester.directory)
  if (policy === undefined) return 'skipped'
  const now = await policy.decide(request)
  if (now.outcome === then.outcome) {
    decided(now)
    return 'same'
  }
  // The certificates that there were at that time are not asked for again, nor what was out of order then.
  if (then.reasons.some(({ code }) => code === 'often' || code === 'unavailable')) return 'skipped'
  decided(now)
  if (now.outcome === 'allow') return difference(record, 'allowed', now)
  const lifetimeSeconds = await offeredLifetime(request, (asked) => policy.decide(asked))
  if (lifetimeSeconds === undefined) return difference(record, 'refused', now)
  const shorter = await policy.decide({ ...request, lifetimeSeconds })
  if (shorter.outcome === 'deny') return difference(record, 'refused', now)
  decided(shorter)
  return { ...difference(record, 'shortened', shorter), lifetimeSeconds }
}

/** How long a certificate a client would get that asks for no end; undefined when it would be no shorter. */
async function offeredLifetime(
  request: PolicyRequest,
  decide: (asked: PolicyRequest) => Promise<Decision>,
): Promise<number | undefined> {
  const { lifetimeSeconds, key: _, extendedKeyUsages: __, proofs: ___, ...order } = request
  const early = await decide({ ...order, stage: 'order' })
  if (early.outcome === 'deny' || lifetimeSeconds === undefined) return undefined
  const { grant } = early
  const offered = Math.min(grant?.lifetimeSeconds ?? lifetimeSeconds, grant?.maxLifetimeSeconds ?? lifetimeSeconds)
  return offered < lifetimeSeconds ? offered : undefined
}

function difference(
  { request, reference, orderId, serial }: DecisionRecord,
  change: Difference['change'],
  { reasons }: Decision,
): Difference {
  return {
    change,
    at: request.at,
    stage: request.stage,
    ...(reference !== undefined && { reference }),
    ...(orderId !== undefined && { orderId }),
    ...(serial !== undefined && { serial }),
    requester: request.requester,
    names: request.names.map(({ type, value }) => `${type}:${value}`),
    profile: request.profile,
    reasons,
  }
}
