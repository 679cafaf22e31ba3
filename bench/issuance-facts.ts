import type { ProfileSnapshot } from '../src/store/records.ts'

/** One http-01 issuance for one name, as the rows of `fill.ts` tell of it. */
export interface Issuance {
  readonly accountId: string
  readonly orderId: string
  readonly authorizationId: string
  readonly challengeIds: readonly string[]
  readonly name: string
  readonly issuerId: string
  readonly serial: string
  readonly spkiSha256: string
  /** When all of it happened, in milliseconds. */
  readonly at: number
}

export const PROFILE = {
  name: 'server',
  type: 'server',
  lifetimeSeconds: 7 * 86_400,
  maxLifetimeSeconds: 7 * 86_400,
  backdateSeconds: 300,
  extendedKeyUsages: ['serverAuth'],
  subject: 'empty',
  issuer: 'default',
  version: '05425e83b6a28cce',
} as const satisfies ProfileSnapshot

const VERSION = 'f2ca1bb6c7e907d06dafe4687e579fce76b37e4e93b7605022da52e6ccc26fd2'
const RULE = 'internal-hosts'

export type AuditedEvent =
  | 'order.created'
  | 'challenge.responded'
  | 'validation.succeeded'
  | 'certificate.intended'
  | 'certificate.issued'

/** What the audit trail keeps with an event, beside its ids. */
export function auditData(event: AuditedEvent, issuance: Issuance): object {
  const { authorizationId, challengeIds, name } = issuance
  const profile = { profile: PROFILE.name, profileVersion: PROFILE.version }
  const answered = { authorizationId, challengeId: challengeIds[0], type: 'http-01' }
  switch (event) {
    case 'order.created':
      return { identifiers: [`dns:${name}`], ...profile, authorizationIds: [authorizationId] }
    case 'challenge.responded':
      return answered
    case 'validation.succeeded':
      return {
        ...answered,
        identifier: { type: 'dns', value: name },
        wildcard: false,
        attempt: 1,
        evidence: evidence(name),
      }
    case 'certificate.intended':
      return { ...certified(issuance, profile), reasons: [`${RULE}: ${allowed(name)}`], policyVersion: VERSION }
    case 'certificate.issued':
      return certified(issuance, profile)
    default:
      throw new TypeError(`unknown event ${String(event satisfies never)}`)
  }
}

/** The decision that allowed it, as the columns of its row keep it. */
export function decisionJson({ accountId, name, spkiSha256, at }: Issuance): {
  readonly version: string
  readonly request: string
  readonly decision: string
} {
  const names = [{ type: 'dns', value: name }]
  const { lifetimeSeconds, maxLifetimeSeconds, extendedKeyUsages } = PROFILE
  return {
    version: VERSION,
    request: JSON.stringify({
      requester: { kind: 'account', directory: 'default', accountId },
      profile: PROFILE.name,
      profileFacts: { lifetimeSeconds, maxLifetimeSeconds, extendedKeyUsages },
      names,
      key: { algorithm: 'P-256', bits: 256, spkiSha256 },
      lifetimeSeconds,
      extendedKeyUsages,
      subject: [],
      certificatePolicies: [],
      mustStaple: false,
      proofs: [{ name: names[0], method: 'http-01', at: new Date(at).toISOString(), address: '10.0.0.1' }],
    }),
    decision: JSON.stringify({
      reasons: [{ rule: RULE, code: 'allowed', detail: allowed(name), name: names[0] }],
      grant: { methods: [null] },
      counted: [{ name: `dns:${name}` }],
    }),
  }
}

function certified({ issuerId, name, spkiSha256, at }: Issuance, profile: object): object {
  return {
    issuerId,
    ...profile,
    identifiers: [`dns:${name}`],
    notBefore: new Date(at).toISOString(),
    notAfter: new Date(at + PROFILE.lifetimeSeconds * 1000).toISOString(),
    spkiSha256,
  }
}

function allowed(name: string): string {
  return `"${name}" is allowed by "**.internal"`
}

function evidence(name: string): object {
  const servers = [{ server: '10.0.0.53:53', outcome: 'answered' }]
  const asked = { aliases: [], authenticated: false, servers }
  return {
    lookups: [
      { name, type: 'AAAA', outcome: 'no-data', records: 0, ...asked },
      { name, type: 'A', outcome: 'found', records: 1, ...asked },
    ],
    connections: [{ host: name, address: '10.0.0.1', port: 80, outcome: 'connected' }],
    responses: [{ scheme: 'http', host: name, status: 200 }],
  }
}
