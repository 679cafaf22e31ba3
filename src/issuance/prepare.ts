import type { Clock } from '../lib/clock.ts'
import type { Identifier } from '../lib/identifier.ts'
import type { Policy, Proof, Requester } from '../policy/decision.ts'
import type { CertificateRecord, ProfileSnapshot } from '../store/records.ts'
import type { SubjectPublicKey } from '../x509/spki.ts'
import { buildLeaf } from './build-leaf.ts'
import { checkIssuerLimits } from './check-issuer.ts'
import type { Intention } from './compare-with-plan.ts'
import { type Decided, examine } from './examine.ts'
import { IssuanceError } from './issuance-error.ts'
import type { Issuer } from './issuer.ts'
import type { Lint } from './lint.ts'
import type { ValidityWindow } from './validity.ts'
import { commonWindow, planValidity } from './validity.ts'

declare const made: unique symbol

/** The right to one signature over bytes that passed every check. Only this file makes one, and it works once. */
export interface IssuanceToken {
  readonly [made]: 'by prepare'
}

interface TokenContent {
  readonly tbsDer: Buffer
  readonly issuer: Issuer
}

/** What makes a token good is that it is in here; an object that only looks like one is worth nothing. */
const unspent = new WeakMap<IssuanceToken, TokenContent>()

export interface PrepareInput {
  readonly requester: Requester
  readonly profile: ProfileSnapshot
  /** Proven, normal, without duplicates; they become the SAN in this order. */
  readonly identifiers: readonly Identifier[]
  /** How each was proven. */
  readonly proofs?: readonly Proof[]
  readonly publicKey: SubjectPublicKey
  readonly serial: Buffer
  /** Dates that the order asked for. */
  readonly notBefore?: Date | undefined
  readonly notAfter?: Date | undefined
}

/** Who it is for, and how they showed that it is theirs. */
type Asking = Pick<PrepareInput, 'requester' | 'proofs'>

export interface PrepareContext {
  readonly issuer: Issuer
  readonly policy: Policy
  readonly clock: Pick<Clock, 'now'>
  /** Other rules than `LINTS`; for tests. */
  readonly lints?: readonly Lint[]
}

export interface Prepared extends ValidityWindow, Decided {
  readonly outcome: 'prepared'
  readonly tbsDer: Buffer
  readonly token: IssuanceToken
  readonly warnings: readonly string[]
}

export type PrepareResult =
  | Prepared
  | ({ readonly outcome: 'refused' } & Decided)
  | { readonly outcome: 'unacceptable'; readonly about: 'validity' | 'names'; readonly detail: string }

/**
 * Builds a leaf and has it examined. The issuing key is not touched: the bytes are to be stored first, and the token
 * to be spent by `issue` afterwards.
 *
 * @throws {IssuanceError} `ISSUER_UNFIT` or `DEFECTIVE`: nothing that the requester could mend
 */
export async function prepare(input: PrepareInput, context: PrepareContext): Promise<PrepareResult> {
  const now = context.clock.now()
  refuseUnfit(context.issuer, now)
  const validity = planValidity({
    profile: input.profile,
    now,
    chain: commonWindow(context.issuer.chain),
    notBefore: input.notBefore,
    notAfter: input.notAfter,
  })
  if (!validity.ok) return { outcome: 'unacceptable', about: 'validity', detail: validity.detail }
  const { notBefore, notAfter } = validity
  const tbsDer = build(input, { notBefore, notAfter }, context.issuer)
  const intended: Intention = {
    serialHex: input.serial.toString('hex'),
    identifiers: input.identifiers,
    spkiSha256: input.publicKey.sha256,
    profile: input.profile,
    notBefore,
    notAfter,
  }
  return admit(tbsDer, intended, input, context, now)
}

/**
 * The same for bytes that were stored by an earlier `prepare` and whose signature never came (KF-E01): everything is
 * asked again about the very same bytes, so that no second certificate comes of one reservation.
 *
 * @throws {IssuanceError} as `prepare`
 */
export async function prepareStored(
  record: CertificateRecord,
  asking: Asking,
  context: PrepareContext,
): Promise<PrepareResult> {
  const now = context.clock.now()
  refuseUnfit(context.issuer, now)
  if (record.issuerId !== context.issuer.id)
    throw new IssuanceError('ISSUER_UNFIT', `the reservation is for another issuer than ${context.issuer.name}`)
  return admit(record.tbsDer, { ...record, serialHex: record.serial }, asking, context, now)
}

/** Gives up what the token stands for; a second time there is nothing. @throws {IssuanceError} `TOKEN_SPENT` */
export function spendToken(token: IssuanceToken): TokenContent {
  const content = unspent.get(token)
  if (content === undefined)
    throw new IssuanceError('TOKEN_SPENT', 'this issuance token was spent before, or was never one')
  unspent.delete(token)
  return content
}

async function admit(
  tbsDer: Buffer,
  intended: Intention,
  { requester, proofs }: Asking,
  context: PrepareContext,
  now: Date,
): Promise<PrepareResult> {
  // A copy of our own: whoever holds the caller's buffer cannot change what was examined.
  const bytes = Buffer.from(tbsDer)
  const { issuer, policy, lints } = context
  const examination = await examine(bytes, intended, {
    issuer,
    policy,
    requester,
    ...(proofs === undefined ? {} : { proofs }),
    now,
    ...(lints === undefined ? {} : { lints }),
  })
  if (examination.outcome !== 'sound') return examination
  const token = Object.freeze({}) as IssuanceToken
  unspent.set(token, { tbsDer: bytes, issuer })
  const { asked, decision, warnings } = examination
  return {
    outcome: 'prepared',
    tbsDer: Buffer.from(bytes),
    token,
    asked,
    decision,
    warnings,
    notBefore: intended.notBefore,
    notAfter: intended.notAfter,
  }
}

function refuseUnfit(issuer: Issuer, now: Date): void {
  const problems = checkIssuerLimits(issuer, now)
  if (problems.length > 0)
    throw new IssuanceError('ISSUER_UNFIT', `issuer ${issuer.name} may not be used now`, problems)
}

function build(input: PrepareInput, validity: ValidityWindow, issuer: Issuer): Buffer {
  try {
    return buildLeaf({ ...input, validity }, issuer)
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : 'unknown'
    throw new IssuanceError('DEFECTIVE', 'the certificate could not be built', [reason], { cause })
  }
}
