import { createHash } from 'node:crypto'
import type {
  AcmeDirectory,
  AcmeResponse,
  AcmeServices,
  AuthenticatedRequest,
  Endpoint,
  JsonObject,
} from '../../src/acme/endpoint.ts'
import { AcmeError } from '../../src/acme/problem.ts'
import { directoryUrls } from '../../src/acme/urls.ts'
import { createIssuingCa } from '../../src/ca/issuing-ca.ts'
import { createRoot } from '../../src/ca/root.ts'
import { type Config, configSchema } from '../../src/config/schema.ts'
import { createEnrollment } from '../../src/enrollment/create-enrollment.ts'
import { loadIssuer } from '../../src/issuance/issuer.ts'
import { createClockGuard } from '../../src/lib/clock-guard.ts'
import type { AuthorizationId } from '../../src/lib/ids.ts'
import { newId } from '../../src/lib/ids.ts'
import { systemRandom } from '../../src/lib/random.ts'
import { createLimits } from '../../src/limits/create-limits.ts'
import { createPolicy } from '../../src/policy/policy.ts'
import type { Revocation } from '../../src/revocation/revocation.ts'
import type { SigningKey } from '../../src/signer/signer.ts'
import type {
  AccountRecord,
  AuditEvent,
  ChallengeInAuthorization,
  Jwk,
  ProfileSnapshot,
  ValidationJob,
} from '../../src/store/records.ts'
import type { Store } from '../../src/store/store.ts'
import { FakeClock } from './fake-clock.ts'
import { PROBLEM, PROFILE } from './order-facts.ts'
import { RecordingLogger, RecordingMetrics } from './recorders.ts'
import { openTestStore } from './store.ts'
import type { TestCsrOptions, TestIdentifier } from './test-csr.ts'
import { buildTestCsr, toIdentifier } from './test-csr.ts'
import type { TestKey } from './test-keys.ts'
import { generateTestKey } from './test-keys.ts'

export interface WorldOptions {
  readonly settings?: Partial<AcmeServices['settings']>
  readonly directory?: Partial<AcmeDirectory['config']>
  readonly profile?: Partial<ProfileSnapshot>
  /** Rate limits that differ from the defaults. */
  readonly limits?: Partial<Config['limits']>
  /** Replaces services, e.g. one that fails. */
  readonly services?: (services: AcmeServices) => Partial<AcmeServices>
}

export interface TestAccount {
  readonly record: AccountRecord
  readonly key: TestKey
}

/** Whoever signs a request: an account, or a bare key (revocation by certificate key). */
export type TestSigner = TestAccount | TestKey

export interface CallOptions {
  readonly by: TestSigner
  readonly payload?: '' | JsonObject
  readonly params?: Readonly<Record<string, string>>
  readonly accept?: string
  readonly directory?: AcmeDirectory
}

/** A key that signs only while its gate is open. */
export class GatedKey implements SigningKey {
  readonly spkiDer: Buffer
  readonly algorithm: SigningKey['algorithm']
  readonly #key: SigningKey
  #gate: Promise<void> = Promise.resolve()
  #open: () => void = () => undefined
  /** Signatures made. */
  uses = 0
  /** Signatures asked for and not made yet. */
  waiting = 0

  constructor(key: SigningKey) {
    this.#key = key
    this.spkiDer = key.spkiDer
    this.algorithm = key.algorithm
  }

  close(): void {
    this.#gate = new Promise((resolve) => {
      this.#open = resolve
    })
  }

  open(): void {
    this.#open()
  }

  async sign(message: Uint8Array): Promise<Buffer> {
    this.waiting++
    await this.#gate
    this.waiting--
    this.uses++
    return this.#key.sign(message)
  }
}

/** The key pair of a CA is costly to make, and the same for all worlds of a test file. */
let authority: ReturnType<typeof makeAuthority> | undefined
async function makeAuthority() {
  const now = new FakeClock().now()
  const root = await createRoot({ name: 'Test Root', keyKind: 'P-256', now, random: systemRandom })
  const issuing = await createIssuingCa({
    name: 'Test Issuing CA',
    root: { certificateDer: root.certificateDer, key: root.key.signingKey },
    now,
    random: systemRandom,
  })
  return { root, issuing }
}

/**
 * The back half of the ACME front end with everything real behind it (SQLite store, policy, issuance) but the
 * network: proofs are given by `prove` and `disprove`. Endpoints are called as the front half calls them.
 */
export async function openAcmeWorld(options: WorldOptions = {}) {
  const clock = new FakeClock()
  const { store, path, cleanup } = await openTestStore(clock)
  const log = new RecordingLogger()
  const metrics = new RecordingMetrics()
  authority ??= makeAuthority()
  const { root, issuing } = await authority
  const signingKey = new GatedKey(issuing.key.signingKey)
  const issuer = loadIssuer({
    name: 'default',
    key: signingKey,
    chainPem: issuing.certificatePem,
    rootPem: root.certificatePem,
    crlUrl: 'http://ca.test/crl.crl',
    caIssuersUrl: 'http://ca.test/issuer.cer',
  })
  const profile: ProfileSnapshot = { ...PROFILE, ...options.profile }
  const policyConfig = configSchema.parse({
    policies: {
      default: {
        allow: { dns: ['**.test'], ip: ['10.0.0.0/8', 'fd00::/8'], wildcards: true },
        deny: { dns: ['denied.test', '**.denied.test'], ip: [] },
      },
    },
  }).policies['default']!
  const policy = createPolicy({ config: policyConfig, name: 'default', profiles: new Map([[profile.name, profile]]) })
  const directory: AcmeDirectory = {
    name: 'default',
    config: { ...configSchema.parse({}).directories['default']!, ...options.directory },
    urls: directoryUrls('https://ca.test', 'default'),
    policy,
    keyRules: policyConfig.keys,
    profile,
    profiles: [{ snapshot: profile, description: '' }],
  }
  const limits = createLimits({
    config: { ...configSchema.parse({}).limits, ...options.limits },
    store: store.limits,
    clock,
    random: systemRandom,
    log,
    metrics,
  })
  const ran: ValidationJob[] = []
  const hastened: string[] = []
  const base: AcmeServices = {
    store,
    clock,
    random: systemRandom,
    nonces: {
      issue: () => assertUnused('nonces'),
      spare: () => assertUnused('nonces'),
      spend: async () => assertUnused('nonces'),
    },
    enrollment: createEnrollment({
      store,
      issuers: new Map([['default', issuer]]),
      policyFor: () => policy,
      limits,
      clock,
      random: systemRandom,
      log,
      metrics,
      clockGuard: createClockGuard({ clock: clock, toleranceSeconds: 60 }),
    }),
    validation: {
      owner: 'test',
      leaseSeconds: 60,
      run: (job) => void ran.push(job),
      hasten: ({ challengeId }) => void hastened.push(challengeId),
      pressure: () => 0,
      waitSeconds: () => 0,
      start: () => undefined,
      stop: async () => undefined,
    },
    revocation: storeRevocation(store, clock),
    limits,
    wrappedKeys: { wrap: () => assertUnused('wrappedKeys'), unwrap: () => assertUnused('wrappedKeys') },
    metrics,
    log,
    chainsPem: (issuerId) => (issuerId === issuer.id ? [issuing.certificatePem] : undefined),
    settings: {
      maxContacts: 10,
      identifiersPerOrder: 100,
      orderLifetimeSeconds: 7 * 86_400,
      pendingAuthorizationLifetimeSeconds: 86_400,
      validAuthorizationLifetimeSeconds: 86_400,
      sharePendingSeconds: 300,
      acceptPaddedBase64: true,
      allowCertificateGet: false,
      renewalInfo: { retryAfterSeconds: 21_600, replacedIssuers: [] },
      ...options.settings,
    },
  }
  const services: AcmeServices = { ...base, ...options.services?.(base) }

  function request(call: CallOptions): AuthenticatedRequest {
    const requestId = newId(systemRandom, 'request', clock.now())
    const { by } = call
    return {
      requestId,
      directory: call.directory ?? directory,
      url: 'https://ca.test/',
      params: call.params ?? {},
      query: new URLSearchParams(),
      accept: call.accept,
      from: { text: '192.0.2.1', key: '192.0.2.1/32' },
      payload: call.payload ?? '',
      signer:
        'record' in by
          ? { kind: 'account', account: by.record, kid: directory.urls.account(by.record.id) }
          : {
              kind: 'key',
              jwk: by.jwk as unknown as Jwk,
              thumbprint: by.thumbprint,
              spkiDer: by.spkiDer,
              key: by.publicKey,
            },
      log: log.child({ requestId }),
    }
  }

  const call = async (endpoint: Endpoint, options: CallOptions): Promise<TestReply> =>
    replyOf(await endpoint(request(options), services))

  async function findAuthorization(account: TestAccount, id: string) {
    return store.authorizations.find(account.record.directory, account.record.id, id as AuthorizationId)
  }

  return {
    clock,
    store,
    path,
    cleanup,
    log,
    metrics,
    issuer,
    issuing,
    root,
    signingKey,
    directory,
    services,
    ran,
    hastened,
    request,
    call,

    /** The refusal that an endpoint throws; anything else fails the test. */
    async refused(endpoint: Endpoint, options: CallOptions): Promise<AcmeError> {
      try {
        await call(endpoint, options)
      } catch (error) {
        if (error instanceof AcmeError) return error
        throw error
      }
      throw new Error('the request was accepted')
    },

    async account(facts: Partial<AccountRecord> = {}): Promise<TestAccount> {
      const key = generateTestKey('ES256')
      const record: AccountRecord = {
        id: newId(systemRandom, 'account', clock.now()),
        directory: 'default',
        jwk: key.jwk as unknown as Jwk,
        thumbprint: key.thumbprint,
        spkiSha256: createHash('sha256').update(key.spkiDer).digest('hex'),
        contact: [],
        createdAt: clock.now(),
        ...facts,
      }
      const made = await store.accounts.create(record, { now: clock.now(), audit: event(clock) })
      if (made.outcome !== 'created') throw new Error(`the account was not created: ${made.outcome}`)
      return { record, key }
    },

    /** Ends a validation with success, as the runner does. */
    async prove(account: TestAccount, authorizationId: string, type = 'http-01'): Promise<void> {
      await answer(account, authorizationId, type)
      const expiresAt = new Date(clock.now().getTime() + services.settings.validAuthorizationLifetimeSeconds * 1000)
      const { id: challengeId } = (await challengeOf(account, authorizationId, type)).challenge
      const outcome = await store.validationJobs.succeed(challengeId, {
        owner: 'test',
        now: clock.now(),
        expiresAt,
        audit: event(clock),
      })
      if (outcome !== 'done') throw new Error(`the proof was ${outcome}`)
    },

    /** Ends a validation with failure. */
    async disprove(account: TestAccount, authorizationId: string, type = 'http-01'): Promise<void> {
      await answer(account, authorizationId, type)
      const { id: challengeId } = (await challengeOf(account, authorizationId, type)).challenge
      await store.validationJobs.fail(challengeId, {
        owner: 'test',
        now: clock.now(),
        error: PROBLEM,
        orderError: PROBLEM,
        ...(services.limits.pause && { pause: services.limits.pause }),
        audit: event(clock),
      })
    },

    findAuthorization,

    /** A CSR payload under a fresh key. */
    csr(
      names: readonly TestIdentifier[],
      options: TestCsrOptions & { key?: TestKey } = {},
    ): { csr: string; key: TestKey } {
      const key = options.key ?? generateTestKey('ES256')
      return { csr: buildTestCsr(names, key, options).toString('base64url'), key }
    },
  }

  async function challengeOf(
    account: TestAccount,
    authorizationId: string,
    type: string,
  ): Promise<ChallengeInAuthorization> {
    const authorization = await findAuthorization(account, authorizationId)
    const challenge = authorization?.challenges.find((offered) => offered.type === type)
    if (!authorization || !challenge) throw new Error(`no challenge ${type} in ${authorizationId}`)
    return { challenge, authorization }
  }

  async function answer(account: TestAccount, authorizationId: string, type: string): Promise<void> {
    const [now, owner] = [clock.now(), 'test']
    const leaseUntil = new Date(now.getTime() + 60_000)
    const facts = { now, keyAuthorization: 'token.thumbprint', owner, leaseUntil, audit: event(clock) }
    await store.validationJobs.enqueue(await challengeOf(account, authorizationId, type), facts)
    // A job that was put back for a retry has no owner.
    await store.validationJobs.lease({ now, owner, leaseUntil, limit: 100 })
  }
}

export type AcmeWorld = Awaited<ReturnType<typeof openAcmeWorld>>

export interface TestReply extends AcmeResponse {
  /** The body as it goes out; undefined when there is none or it is not JSON. */
  // biome-ignore lint/suspicious/noExplicitAny: a test reads members of whatever came
  readonly json: any
  /** The body of another content type. */
  readonly bytes: Buffer | undefined
  readonly contentType: string | undefined
}

function replyOf(response: AcmeResponse): TestReply {
  const { body } = response
  if (body !== undefined && 'bytes' in body)
    return { ...response, json: undefined, bytes: body.bytes, contentType: body.contentType }
  const json = body === undefined ? undefined : JSON.parse(JSON.stringify(body))
  return { ...response, json, bytes: undefined, contentType: undefined }
}

export const identifiers = (
  ...names: readonly TestIdentifier[]
): { identifiers: { type: string; value: string }[] } => ({
  identifiers: names.map(toIdentifier),
})

/** The id at the end of a URL that an endpoint gave out. */
export function idIn(url: string | undefined): string {
  return /\/([a-z]{3}_[A-Za-z0-9_-]{22})(?:\/finalize)?$/.exec(url ?? '')?.[1] ?? `no id in ${url}`
}

/** Marks what is only there to be in the record. */
function event(clock: FakeClock): AuditEvent {
  return { at: clock.now(), event: 'test', data: {} }
}

function assertUnused(what: string): never {
  throw new Error(`${what} is not for these endpoints`)
}

/** Revocation straight to the store, without a CRL. */
function storeRevocation(store: Store, clock: FakeClock): Revocation {
  return {
    revoke: ({ issuerId, serial, reason, provedKey }) =>
      store.certificates.revoke(
        { issuerId, serial },
        { now: clock.now(), reason, raiseToKeyCompromise: provedKey && reason === 1, audit: event(clock) },
      ),
  }
}
