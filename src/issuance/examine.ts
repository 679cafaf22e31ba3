import type { Decision, Policy, PolicyRequest, Proof, Requester } from '../policy/decision.ts'
import { usageName } from '../policy/language/usages.ts'
import type { ParsedTbsCertificate } from '../x509/certificate.ts'
import { parseTbsCertificate } from '../x509/certificate.ts'
import { checkKeyPurposes, checkNames } from './check-nesting.ts'
import type { Intention } from './compare-with-plan.ts'
import { compareWithPlan } from './compare-with-plan.ts'
import { IssuanceError } from './issuance-error.ts'
import type { Issuer } from './issuer.ts'
import type { Lint } from './lint.ts'
import { runLints } from './lint.ts'
import { LINTS } from './lints/index.ts'
import { requestedNames } from './requested-names.ts'
import { statedFacts } from './stated-facts.ts'
import { lifetimeSecondsOf } from './validity.ts'

export type Examination =
  | ({ readonly outcome: 'sound'; readonly warnings: readonly string[] } & Decided)
  | ({ readonly outcome: 'refused' } & Decided)
  | { readonly outcome: 'unacceptable'; readonly about: 'names'; readonly detail: string }

/** What policy was asked about the bytes, and what it said. */
export interface Decided {
  readonly asked: PolicyRequest
  readonly decision: Decision
}

/**
 * Looks at the bytes that are about to be signed as a stranger would: parses them, compares them with what was meant,
 * lints them, runs them through the limits of the CAs above, and asks policy about what they say (KF-C09, KF-C17).
 *
 * @throws {IssuanceError} `DEFECTIVE` or `ISSUER_UNFIT`
 */
export async function examine(
  tbsDer: Buffer,
  intended: Intention,
  context: {
    readonly issuer: Issuer
    readonly policy: Policy
    readonly requester: Requester
    readonly proofs?: readonly Proof[]
    readonly now: Date
    readonly lints?: readonly Lint[]
  },
): Promise<Examination> {
  const leaf = parse(tbsDer)
  const findings = runLints(context.lints ?? LINTS, leaf, {
    issuer: context.issuer,
    profile: intended.profile,
    now: context.now,
  })
  const faults = [
    ...compareWithPlan(leaf, intended),
    ...findings.filter(({ severity }) => severity === 'error').map(({ lint, detail }) => `${lint}: ${detail}`),
  ]
  if (faults.length > 0)
    throw new IssuanceError('DEFECTIVE', 'the certificate was built with faults and not signed', faults)

  const purposes = checkKeyPurposes(leaf, context.issuer)
  if (purposes.length > 0)
    throw new IssuanceError(
      'ISSUER_UNFIT',
      `issuer ${context.issuer.name} cannot serve profile ${intended.profile.name}`,
      purposes,
    )
  const outside = checkNames(leaf, context.issuer)
  if (outside.length > 0)
    return {
      outcome: 'unacceptable',
      about: 'names',
      detail: `the issuing CA may not certify this: ${outside.join('; ')}`,
    }

  const asked = question(leaf, intended, context)
  const decision = await decide(asked, context.policy)
  switch (decision.outcome) {
    case 'allow':
      return {
        outcome: 'sound',
        asked,
        decision,
        warnings: findings
          .filter(({ severity }) => severity === 'warn')
          .map(({ lint, detail }) => `${lint}: ${detail}`),
      }
    case 'deny':
      return { outcome: 'refused', asked, decision }
    default: {
      const unknown: never = decision
      throw new IssuanceError('DEFECTIVE', `policy answered with an unknown outcome: ${JSON.stringify(unknown)}`)
    }
  }
}

function parse(tbsDer: Buffer): ParsedTbsCertificate {
  try {
    return parseTbsCertificate(tbsDer)
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : 'unreadable'
    throw new IssuanceError('DEFECTIVE', 'the certificate was built with faults and not signed', [reason], { cause })
  }
}

/** Every value is read from the bytes. */
function question(
  leaf: ParsedTbsCertificate,
  intended: Intention,
  { requester, proofs, now }: { readonly requester: Requester; readonly proofs?: readonly Proof[]; readonly now: Date },
): PolicyRequest {
  const { name, lifetimeSeconds, maxLifetimeSeconds, extendedKeyUsages } = intended.profile
  return {
    requester,
    stage: 'issuance',
    profile: name,
    profileFacts: { lifetimeSeconds, maxLifetimeSeconds, extendedKeyUsages },
    names: requestedNames(leaf.subjectAltNames),
    key: { algorithm: leaf.publicKey.algorithm, bits: leaf.publicKey.bits, spkiSha256: leaf.publicKey.sha256 },
    lifetimeSeconds: lifetimeSecondsOf(leaf),
    extendedKeyUsages: (leaf.extendedKeyUsage ?? []).map(usageName),
    ...statedFacts(leaf),
    ...(proofs === undefined ? {} : { proofs }),
    at: now,
  }
}

/** A policy that cannot answer is a no (KF-G01). */
async function decide(asked: PolicyRequest, policy: Policy): Promise<Decision> {
  try {
    return await policy.decide(asked)
  } catch {
    return {
      outcome: 'deny',
      reasons: [{ rule: 'policy', code: 'unavailable', detail: 'the policy could not be asked; try again later' }],
    }
  }
}
