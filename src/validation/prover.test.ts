import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type FakeDns, startFakeDns } from '../../test/support/fake-dns.ts'
import { type HttpTarget, startHttpTarget, startTcpTarget } from '../../test/support/http-target.ts'
import { KEY_AUTHORIZATION, TOKEN, until, validationConfig } from '../../test/support/probe.ts'
import { startTlsAlpnTarget, type TlsAlpnTarget } from '../../test/support/tls-alpn-target.ts'
import { systemClock } from '../lib/clock.ts'
import type { Identifier } from '../lib/identifier.ts'
import type { AccountId, AuthorizationId, ChallengeId } from '../lib/ids.ts'
import { systemRandom } from '../lib/random.ts'
import type { AuthorizationRecord, ChallengeRecord, ChallengeType } from '../store/records.ts'
import { ValidationFailure } from './failure.ts'
import { type Evidence, newEvidence } from './probe.ts'
import { createProver, type Prover } from './prover.ts'

const NAME = 'www.corp.test'
const DIGEST = '_cC5rvB9vM8qzT3MTBcTeVpQwtbNypBXyQnE4fhM9QQ'

let dns: FakeDns
let web: HttpTarget
let tls: TlsAlpnTarget
let prover: Prover
before(async () => {
  dns = await startFakeDns()
  web = await startHttpTarget()
  tls = await startTlsAlpnTarget()
  dns.set(NAME, 'A', '127.0.0.1')
  prover = aProver()
})
after(() => Promise.all([dns.close(), web.close(), tls.close()]))

function aProver(settings: { http?: number; attemptMs?: number; allow?: string[] } = {}): Prover {
  return createProver({
    clock: systemClock,
    random: systemRandom,
    config: validationConfig({
      http01: { port: settings.http ?? web.port },
      tlsAlpn01: { port: tls.port },
      dns: { resolvers: [dns.resolver] },
      egress: { allow: settings.allow ?? ['127.0.0.0/8'] },
    }),
    ownListeners: [],
    timeouts: { attemptMs: settings.attemptMs ?? 2_000 },
  })
}

function aJob(
  type: ChallengeType,
  options: { identifier?: Identifier; wildcard?: boolean; keyAuthorization?: string | undefined } = {},
): { challenge: ChallengeRecord; authorization: AuthorizationRecord } {
  const { keyAuthorization } = { keyAuthorization: KEY_AUTHORIZATION, ...options }
  const challenge: ChallengeRecord = {
    id: 'chl_0' as ChallengeId,
    authorizationId: 'azr_0' as AuthorizationId,
    type,
    token: TOKEN,
    ...(keyAuthorization === undefined ? {} : { keyAuthorization }),
  }
  const authorization: AuthorizationRecord = {
    id: 'azr_0' as AuthorizationId,
    directory: 'default',
    accountId: 'acc_0' as AccountId,
    identifier: options.identifier ?? { type: 'dns', value: NAME },
    wildcard: options.wildcard ?? false,
    profile: 'server',
    createdAt: new Date('2026-03-01T12:00:00Z'),
    expiresAt: new Date('2026-03-02T12:00:00Z'),
    challenges: [challenge],
  }
  return { challenge, authorization }
}

async function prove(job: ReturnType<typeof aJob>, by: Prover = prover): Promise<Evidence> {
  const evidence = newEvidence()
  await by.prove(job, { signal: new AbortController().signal, evidence })
  return evidence
}

function hopeless(type: string): (error: unknown) => boolean {
  return (error) => error instanceof ValidationFailure && error.type === type && error.hopeless
}

test('each challenge type is proven by its own method, at the configured ports', async () => {
  await assert.rejects(prove(aJob('http-01')), ValidationFailure)
  await assert.rejects(prove(aJob('dns-01')), ValidationFailure)
  await assert.rejects(prove(aJob('tls-alpn-01')), ValidationFailure)
  web.provision(TOKEN, KEY_AUTHORIZATION)
  await prove(aJob('http-01'))
  await assert.rejects(prove(aJob('dns-01')), ValidationFailure)
  dns.set(`_acme-challenge.${NAME}`, 'TXT', DIGEST)
  await prove(aJob('dns-01'))
  await assert.rejects(prove(aJob('tls-alpn-01')), ValidationFailure)
  tls.provision({ type: 'dns', value: NAME }, KEY_AUTHORIZATION)
  await prove(aJob('tls-alpn-01'))
})

test('KF-A27 an address is proven by http-01 and tls-alpn-01, and never by dns-01', async () => {
  const identifier: Identifier = { type: 'ip', value: '127.0.0.1' }
  web.provision(TOKEN, KEY_AUTHORIZATION)
  tls.provision(identifier, KEY_AUTHORIZATION)
  dns.set('_acme-challenge.127.0.0.1', 'TXT', DIGEST)
  dns.queries.length = 0
  await prove(aJob('http-01', { identifier }))
  await prove(aJob('tls-alpn-01', { identifier }))
  await assert.rejects(prove(aJob('dns-01', { identifier })), hopeless('malformed'))
  assert.equal(dns.queries.length, 0)
})

test('KF-A27 an address in any but its canonical form is refused', async () => {
  for (const value of ['010.0.0.1', '127.1', '::ffff:127.0.0.1', '::1%lo', '0:0:0:0:0:0:0:1', '127.0.0.1 ', '[::1]']) {
    await assert.rejects(prove(aJob('http-01', { identifier: { type: 'ip', value } })), hopeless('malformed'), value)
  }
})

test('a wildcard is proven by dns-01 at the base name, and by nothing else', async () => {
  dns.set(`_acme-challenge.${NAME}`, 'TXT', DIGEST)
  await prove(aJob('dns-01', { wildcard: true }))
  web.provision(TOKEN, KEY_AUTHORIZATION)
  await assert.rejects(prove(aJob('http-01', { wildcard: true })), hopeless('malformed'))
  await assert.rejects(prove(aJob('tls-alpn-01', { wildcard: true })), hopeless('malformed'))
})

test('KF-A19 only the name of the authorization is asked for, not one above it or the target of a redirect', async () => {
  dns.set(`_acme-challenge.a.${NAME}`, 'TXT', 'not the digest')
  dns.set(`_acme-challenge.${NAME}`, 'TXT', DIGEST)
  await assert.rejects(prove(aJob('dns-01', { identifier: { type: 'dns', value: `a.${NAME}` } })), ValidationFailure)
})

test('KF-A22 a challenge without its own key authorization is not attempted', async () => {
  const other = 'x'.repeat(43)
  for (const keyAuthorization of [undefined, '', TOKEN, `${TOKEN}.`, `${other}.${other}`, `${KEY_AUTHORIZATION}x`]) {
    await assert.rejects(prove(aJob('http-01', { keyAuthorization })), hopeless('serverInternal'), keyAuthorization)
  }
})

test('KF-A11 a target that policy refuses is hopeless, so that it is not tried again', async () => {
  await assert.rejects(prove(aJob('http-01'), aProver({ allow: [] })), hopeless('connection'))
})

test('KF-A15 the whole attempt has one limit, however the host behaves', async () => {
  const silent = await startTcpTarget()
  await assert.rejects(
    prove(aJob('http-01'), aProver({ http: silent.port, attemptMs: 80 })),
    (error) => error instanceof ValidationFailure && error.type === 'connection' && !error.hopeless,
  )
  await until(() => silent.open === 0)
  await silent.close()
})

test('a configuration that cannot be read stops the start', () => {
  assert.throws(() => aProver({ allow: ['not-an-address'] }), /validation\.egress\.allow/)
})
