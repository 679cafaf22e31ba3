import { parseIdentifier } from '../../lib/identifier.ts'
import type { KeyAlgorithmName } from '../../x509/algorithms.ts'
import type { Decision, Policy, PolicyRequest, ProofMethod, RequestedName } from '../decision.ts'
import type { ProfileTable } from '../rules/profile.ts'
import type { PolicyTest } from './schema.ts'

export interface ExampleContext {
  readonly profiles: ProfileTable
  /** For examples that name no instant. */
  readonly now: Date
}

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
  context: ExampleContext,
): Promise<string[]> {
  const failures: string[] = []
  for (const test of tests) {
    const fault = await faultOf(test, policy, context)
    if (fault !== undefined) failures.push(`test ${JSON.stringify(test.name)}: ${fault}`)
  }
  return failures
}

/** @returns what is wrong with one example; undefined when it comes out as expected */
export async function faultOf(
  { request, expect, rule }: PolicyTest,
  policy: Policy,
  context: ExampleContext,
): Promise<string | undefined> {
  let decision: Decision
  try {
    decision = (await decideExample(request, policy, context)).decision
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
  const because = decision.reasons.map((reason) => `${reason.rule}: ${reason.detail}`).join('; ')
  if (decision.outcome !== expect) return `expected ${expect}, but it came out ${decision.outcome} (${because})`
  if (rule !== undefined && !decision.reasons.some((reason) => reason.rule === rule))
    return `expected the rule ${rule} to decide, but it was ${because}`
  return undefined
}

/**
 * Decides a made-up request as a real one is decided: as an order, and if that is allowed, as the certificate of a client
 * that does what the order offers it. `request` is what was decided last.
 *
 * @throws {Error} naming what of the example cannot be read
 */
export async function decideExample(
  source: PolicyTest['request'],
  policy: Policy,
  context: ExampleContext,
): Promise<{ readonly decision: Decision; readonly request: PolicyRequest }> {
  const request = orderOf(source, context)
  const decision = await policy.decide(request)
  if (decision.outcome === 'deny') return { decision, request }
  const last = issuanceOf(source, request, decision, context)
  return { decision: await policy.decide(last), request: last }
}

function orderOf(source: PolicyTest['request'], { now }: ExampleContext): PolicyRequest {
  const names: RequestedName[] = [
    ...identifiers('dns', source.dns),
    ...identifiers('ip', source.ip),
    ...(source.uri ?? []).map((value) => ({ type: 'uri' as const, value })),
    ...(source.email ?? []).map((value) => ({ type: 'email' as const, value })),
  ]
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
    stage: 'order',
    profile: source.profile,
    names,
    ...(source.lifetime !== undefined && { lifetimeSeconds: source.lifetime }),
    at: source.at === undefined ? now : new Date(source.at),
  }
}

function issuanceOf(
  source: PolicyTest['request'],
  request: PolicyRequest,
  { grant }: Decision & { readonly outcome: 'allow' },
  { profiles }: ExampleContext,
): PolicyRequest {
  const facts = profiles.get(request.profile)
  const [algorithm, bits] = source.key.startsWith('RSA')
    ? (['RSA', Number(source.key.slice(4)) || 2048] as const)
    : ([source.key as KeyAlgorithmName, KEY_BITS[source.key] ?? 0] as const)
  return {
    ...request,
    stage: 'issuance',
    key: { algorithm, bits, spkiSha256: '00'.repeat(32) },
    lifetimeSeconds: request.lifetimeSeconds ?? grant?.lifetimeSeconds ?? facts?.lifetimeSeconds ?? 3600,
    extendedKeyUsages: facts?.extendedKeyUsages ?? [],
    subject: Object.entries(source.subject ?? {}).map(([attribute, value]) => ({ attribute, value })),
    certificatePolicies: source.certificatePolicies ?? [],
    mustStaple: source.mustStaple ?? false,
    proofs: request.names.map((name, index) => ({
      name,
      method: source.challenge ?? grant?.methods[index]?.[0] ?? usualMethod(name),
      at: request.at,
      ...(source.address !== undefined && { address: source.address }),
    })),
  }
}

function usualMethod(name: RequestedName): ProofMethod {
  if (name.type === 'dns') return 'dns-01'
  return name.type === 'ip' ? 'http-01' : 'account-binding'
}

function identifiers(type: 'dns' | 'ip', values: readonly string[] = []): RequestedName[] {
  return values.map((value) => {
    const parsed = parseIdentifier({ type, value })
    if (!parsed.ok) throw new Error(parsed.detail)
    return parsed.identifier
  })
}
