import { randomBytes } from 'node:crypto'
import { newId } from '../src/lib/ids.ts'
import { systemRandom } from '../src/lib/random.ts'
import type {
  AccountRecord,
  AuditEvent,
  AuthorizationRecord,
  CertificateRecord,
  OrderRecord,
  ProfileSnapshot,
} from '../src/store/records.ts'
import type { Store } from '../src/store/store.ts'

const HOUR_MS = 3_600_000
const DIRECTORY = 'default'
export const ISSUER_ID = 'a1'.repeat(20)
const OWNER = `validation-${randomBytes(12).toString('base64url')}`
const DER_BYTES = { tbs: 420, certificate: 510 }

const PROFILE: ProfileSnapshot = {
  name: 'default',
  lifetimeSeconds: 86_400,
  maxLifetimeSeconds: 7 * 86_400,
  backdateSeconds: 60,
  extendedKeyUsages: ['serverAuth'],
  subject: 'empty',
  issuer: 'default',
}

/** An account with a key of the usual shape. */
export async function newAccount(store: Store, now: Date): Promise<AccountRecord> {
  const account: AccountRecord = {
    id: newId(systemRandom, 'account', now),
    directory: DIRECTORY,
    jwk: { kty: 'EC', crv: 'P-256', x: text(32), y: text(32) },
    thumbprint: text(32),
    spkiSha256: hex(32),
    contact: ['mailto:ops@example.test'],
    createdAt: now,
  }
  const audit = { at: now, event: 'account.created', directory: DIRECTORY, accountId: account.id, data: {} }
  await store.accounts.create(account, { now, audit })
  return account
}

/**
 * What one http-01 issuance for one new name asks of the store, call by call as the endpoints make them: newOrder,
 * authorization, challenge, poll, finalize, certificate. @returns the key of the certificate
 */
export async function issueThroughStore(
  store: Store,
  account: AccountRecord,
  name: string,
  now: Date,
): Promise<{ issuerId: string; serial: string }> {
  const signedRequest = async (): Promise<string> => {
    const expiresAt = new Date(now.getTime() + HOUR_MS)
    const id = (store.nonces.newId?.(expiresAt) ?? randomBytes(12)).toString('base64url')
    const [isNew, found] = await Promise.all([
      store.nonces.spend(id, expiresAt),
      store.accounts.find(DIRECTORY, account.id),
    ])
    if (!isNew || found === undefined) throw new Error('the store refused a nonce or lost an account')
    return newId(systemRandom, 'request', now)
  }
  const event = (what: string, requestId: string | undefined, data: AuditEvent['data']): AuditEvent => ({
    at: now,
    event: what,
    ...(requestId !== undefined && { requestId }),
    directory: DIRECTORY,
    accountId: account.id,
    data,
  })

  let requestId = await signedRequest()
  const identifier = { type: 'dns', value: name } as const
  const key = { directory: DIRECTORY, accountId: account.id, identifier, wildcard: false, profile: PROFILE.name }
  await store.authorizations.findReusable([key], { now, pendingSince: new Date(now.getTime() - 600_000) })
  const authorization = draftAuthorization(account, name, now)
  const order = draftOrder(account, name, now)
  const created = await store.orders.create(order, {
    authorizationIds: [authorization.id],
    newAuthorizations: [authorization],
    now,
    audit: {
      ...event('order.created', requestId, {
        identifiers: [`dns:${name}`],
        profile: PROFILE.name,
        authorizationIds: [authorization.id],
      }),
      orderId: order.id,
    },
  })
  if (created !== 'created') throw new Error('the order was not created')

  requestId = await signedRequest()
  await store.authorizations.find(DIRECTORY, account.id, authorization.id)

  requestId = await signedRequest()
  const [challenge] = authorization.challenges
  if (challenge === undefined) throw new Error('an authorization has a challenge')
  const asked = await store.authorizations.findChallenge(DIRECTORY, account.id, challenge.id)
  if (asked === undefined) throw new Error('the challenge was not found')
  const queued = await store.validationJobs.enqueue(asked, {
    now,
    keyAuthorization: `${challenge.token}.${account.thumbprint}`,
    owner: OWNER,
    leaseUntil: new Date(now.getTime() + 60_000),
    audit: event('challenge.responded', requestId, {
      challengeId: challenge.id,
      type: challenge.type,
      authorizationId: authorization.id,
    }),
  })
  if (queued.outcome !== 'queued') throw new Error('the challenge was not queued')
  const proved = await store.validationJobs.succeed(challenge.id, {
    owner: OWNER,
    now,
    expiresAt: new Date(now.getTime() + 8 * HOUR_MS),
    authorization: queued.job.authorization,
    audit: event('validation.succeeded', undefined, {
      authorizationId: authorization.id,
      challengeId: challenge.id,
      type: challenge.type,
      identifier,
      wildcard: false,
      attempt: 1,
      evidence: { address: '10.0.0.1', port: 80, url: `http://${name}/.well-known/acme-challenge/${challenge.token}` },
    }),
  })
  if (proved !== 'done') throw new Error('the proof was not stored')

  requestId = await signedRequest()
  await store.authorizations.find(DIRECTORY, account.id, authorization.id)

  requestId = await signedRequest()
  await store.orders.find(DIRECTORY, account.id, order.id)
  const spkiSha256 = hex(32)
  await store.accounts.isAccountKey(spkiSha256)
  const certificate = draftCertificate(order, spkiSha256, now)
  const about = { orderId: order.id, serial: certificate.serial }
  const facts = {
    issuerId: ISSUER_ID,
    profile: PROFILE.name,
    identifiers: [`dns:${name}`],
    notBefore: certificate.notBefore.toISOString(),
    notAfter: certificate.notAfter.toISOString(),
    spkiSha256,
  }
  const begun = await store.certificates.begin(certificate, {
    now,
    csrSha256: hex(32),
    audit: {
      ...event('certificate.intended', requestId, { ...facts, reasons: ['allowed-dns: the name is allowed'] }),
      ...about,
    },
  })
  if (begun !== 'begun') throw new Error(`the certificate was not begun: ${begun}`)
  const completed = await store.certificates.complete(certificate, {
    certificateDer: randomBytes(DER_BYTES.certificate),
    now,
    audit: { ...event('certificate.issued', requestId, facts), ...about },
  })
  if (completed !== 'completed') throw new Error('the certificate was not completed')

  await signedRequest()
  await store.certificates.findForAccount(DIRECTORY, account.id, certificate.serial)
  return certificate
}

function draftAuthorization(account: AccountRecord, name: string, now: Date): AuthorizationRecord {
  const id = newId(systemRandom, 'authorization', now)
  return {
    id,
    directory: DIRECTORY,
    accountId: account.id,
    identifier: { type: 'dns', value: name },
    wildcard: false,
    profile: PROFILE.name,
    createdAt: now,
    expiresAt: new Date(now.getTime() + 24 * HOUR_MS),
    challenges: (['http-01', 'dns-01', 'tls-alpn-01'] as const).map((type) => ({
      id: newId(systemRandom, 'challenge', now),
      authorizationId: id,
      type,
      token: text(32),
    })),
  }
}

function draftOrder(account: AccountRecord, name: string, now: Date): OrderRecord {
  return {
    id: newId(systemRandom, 'order', now),
    directory: DIRECTORY,
    accountId: account.id,
    identifiers: [{ type: 'dns', value: name }],
    profile: PROFILE,
    createdAt: now,
    expiresAt: new Date(now.getTime() + 24 * HOUR_MS),
  }
}

function draftCertificate(order: OrderRecord, spkiSha256: string, now: Date): CertificateRecord {
  return {
    serial: `4${hex(16).slice(1)}`,
    issuerId: ISSUER_ID,
    orderId: order.id,
    accountId: order.accountId,
    directory: order.directory,
    identifiers: order.identifiers,
    profile: order.profile,
    spkiSha256,
    notBefore: new Date(now.getTime() - 60_000),
    notAfter: new Date(now.getTime() + 24 * HOUR_MS),
    tbsDer: randomBytes(DER_BYTES.tbs),
    reservedAt: now,
  }
}

function text(bytes: number): string {
  return randomBytes(bytes).toString('base64url')
}

function hex(bytes: number): string {
  return randomBytes(bytes).toString('hex')
}
