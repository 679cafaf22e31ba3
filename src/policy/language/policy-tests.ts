import { parseIdentifier } from '../../lib/identifier.ts'
import type { KeyAlgorithmName } from '../../x509/algorithms.ts'
import type { Policy, PolicyRequest, RequestedName } from '../decision.ts'
import type { ProfileTable } from '../rules/profile.ts'
import type { PolicyTest } from './schema.ts'

const KEY_BITS: Readonly<Record<string, number>> = { 'P-256': 256, 'P-384': 384, 'P-521': 521, Ed25519: 256 }

/**
 * Decides every example of a policy file, as newOrder and then as the bytes would be decided: it is allowed when both
 * say so.
 *
 * @returns a line for each that does not come out as expected
 */
export async function runPolicyTests(
  tests: readonly PolicyTest[],
  policy: Policy,
  context: { readonly profiles: ProfileTable; readonly now: Date },
): Promise<string[]> {
  const failures: string[] = []
  for (const test of tests) {
    const fault = await faultOf(test, policy, context)
    if (fault !== undefined) failures.push(`test ${JSON.stringify(test.name)}: ${fault}`)
  }
  return failures
}

async function faultOf(
  { request, expect, rule }: PolicyTest,
  policy: Policy,
  context: { readonly profiles: ProfileTable; readonly now: Date },
): Promise<string | undefined> {
  let made: PolicyRequest
  try {
    made = requestOf(request, context)
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
  const asked = { ...made, stage: 'order' as const }
  const early = await policy.decide(asked)
  const decision = early.outcome === 'deny' ? early : await policy.decide(made)
  const because = decision.reasons.map((reason) => `${reason.rule}: ${reason.detail}`).join('; ')
  if (decision.outcome !== expect) return `expected ${expect}, but it came out ${decision.outcome} (${because})`
  if (rule !== undefined && !decision.reasons.some((reason) => reason.rule === rule))
    return `expected the rule ${rule} to decide, but it was ${because}`
  return undefined
}

/** @throws {Error} naming what of the example cannot be read */
export function requestOf(
  source: PolicyTest['request'],
  { profiles, now }: { readonly profiles: ProfileTable; readonly now: Date },
): PolicyRequest {
  const names: RequestedName[] = [
    ...identifiers('dns', source.dns),
    ...identifiers('ip', source.ip),
    ...(source.uri ?? []).map((value) => ({ type: 'uri' as const, value })),
    ...(source.email ?? []).map((value) => ({ type: 'email' as const, value })),
  ]
  const facts = profiles.get(source.profile)
  const [algorithm, bits] = source.key.startsWith('RSA')
    ? (['RSA', Number(source.key.slice(4)) || 2048] as const)
    : ([source.key as KeyAlgorithmName, KEY_BITS[source.key] ?? 0] as const)
  const hasKey = source.externalKey !== undefined || source.groups !== undefined || source.attributes !== undefined
  return {
    requester: {
      kind: 'account',
      directory: source.directory,
      accountId: source.account ?? 'acc_example',
      ...(hasKey && {
        externalKey: {
          id: source.externalKey ?? 'eab_example',
          attributes: source.attributes ?? {},
          groups: source.groups ?? [],
        },
      }),
    },
    stage: 'issuance',
    profile: source.profile,
    names,
    key: { algorithm, bits, spkiSha256: '00'.repeat(32) },
    lifetimeSeconds: source.lifetime ?? facts?.lifetimeSeconds ?? 3600,
    extendedKeyUsages: facts?.extendedKeyUsages ?? [],
    proofs: names.map((name) => ({
      name,
      method: source.challenge,
      ...(source.address !== undefined && { address: source.address }),
    })),
    at: source.at === undefined ? now : new Date(source.at),
  }
}

function identifiers(type: 'dns' | 'ip', values: readonly string[] = []): RequestedName[] {
  return values.map((value) => {
    const parsed = parseIdentifier({ type, value })
    if (!parsed.ok) throw new Error(parsed.detail)
    return parsed.identifier
  })
}
