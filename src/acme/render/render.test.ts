import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AuthorizationStateName } from '../../../test/support/order-facts.ts'
import { aChallenge, anAuthorization, anOrder, at, NOON, PROBLEM } from '../../../test/support/order-facts.ts'
import { directoryUrls } from '../urls.ts'
import { renderAuthorization } from './authorization.ts'
import { renderChallenge } from './challenge.ts'
import { renderInstant } from './instant.ts'
import { renderOrder } from './order.ts'

const urls = directoryUrls('https://ca.test:8443', 'default')
const context = { urls, now: NOON }
const CHALLENGE_URL = 'https://ca.test:8443/acme/default/challenge/chl_http-01000000000000000'

/** As it goes out: what JSON leaves out is left out here too. */
// biome-ignore lint/suspicious/noExplicitAny: a test reads members of whatever came
const wire = (body: object): any => JSON.parse(JSON.stringify(body))

test('CQ-T08 a challenge is a flat object of strings with a stable order of keys', () => {
  const body = renderChallenge(aChallenge(), { authorization: 'pending', urls })
  assert.equal(
    JSON.stringify(body),
    `{"type":"http-01","url":"${CHALLENGE_URL}","status":"pending","token":"evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA"}`,
  )
})

test('CQ-V02 type, status, url and token are there in every state of a challenge', () => {
  const responded = { respondedAt: at(-9), keyAuthorization: 'token.thumbprint' }
  const table = [
    [aChallenge(), 'pending', 'pending'],
    [aChallenge(responded), 'pending', 'processing'],
    [aChallenge({ ...responded, validatedAt: at(-1) }), 'valid', 'valid'],
    [aChallenge({ ...responded, failedAt: at(-1), error: PROBLEM }), 'invalid', 'invalid'],
  ] as const
  for (const [challenge, authorization, status] of table) {
    const body = wire(renderChallenge(challenge, { authorization, urls }))
    assert.equal(body.status, status)
    assert.deepEqual([body.type, body.url, body.token], ['http-01', CHALLENGE_URL, challenge.token])
    assert.equal('keyAuthorization' in body, false)
    assert.equal(body.validated, status === 'valid' ? '2026-03-01T11:59:59Z' : undefined)
  }
})

test('CQ-V06 the error of a failed query is not shown while the challenge is processing, and is at the end', () => {
  const processing = aChallenge({ respondedAt: at(-9), error: PROBLEM })
  assert.equal('error' in renderChallenge(processing, { authorization: 'pending', urls }), false)
  const invalid = wire(renderChallenge({ ...processing, failedAt: at(-1) }, { authorization: 'invalid', urls }))
  assert.deepEqual(invalid.error, {
    type: 'urn:ietf:params:acme:error:connection',
    detail: 'nobody answered',
    status: 400,
  })
})

test('CQ-V06 a challenge whose authorization ended before its proof did says so, and what to do', () => {
  for (const authorization of ['expired', 'deactivated', 'revoked', 'valid'] as const) {
    const body = wire(renderChallenge(aChallenge({ respondedAt: at(-9) }), { authorization, urls }))
    assert.equal(body.status, 'invalid')
    assert.equal(body.error.type, 'urn:ietf:params:acme:error:unauthorized')
    assert.match(body.error.detail, /place a new order/)
    assert.doesNotMatch(JSON.stringify(body), /deactivated/)
  }
})

test('CQ-O05 an authorization shows its base name, with wildcard true or no such member', () => {
  const plain = wire(renderAuthorization(anAuthorization(), context))
  assert.deepEqual(plain.identifier, { type: 'dns', value: 'www.corp.test' })
  assert.equal('wildcard' in plain, false)
  const wildcard = wire(renderAuthorization(anAuthorization({ wildcard: true }), context))
  assert.deepEqual(wildcard.identifier, { type: 'dns', value: 'www.corp.test' })
  assert.equal(wildcard.wildcard, true)
})

test('CQ-O11 a valid authorization shows exactly the challenge that won', () => {
  const challenges = [aChallenge(), aChallenge({ type: 'dns-01', respondedAt: at(-9), validatedAt: at(-1) })]
  const body = wire(renderAuthorization(anAuthorization({ challenges }), context))
  assert.equal(body.status, 'valid')
  assert.deepEqual(
    body.challenges.map(({ type, status }: { type: string; status: string }) => `${type} ${status}`),
    ['dns-01 valid'],
  )
})

test('CQ-V07 an invalid authorization shows the failure and leaves out what was never tried', () => {
  const challenges = [
    aChallenge(),
    aChallenge({ type: 'dns-01', respondedAt: at(-9), failedAt: at(-1), error: PROBLEM }),
    aChallenge({ type: 'tls-alpn-01', respondedAt: at(-9) }),
  ]
  const body = wire(renderAuthorization(anAuthorization({ challenges }), context))
  assert.equal(body.status, 'invalid')
  assert.deepEqual(
    body.challenges.map(({ type }: { type: string }) => type),
    ['dns-01'],
  )
})

test('CQ-V07 the word invalid is nowhere in the text of an authorization that is not', () => {
  const challenges = [
    aChallenge({ respondedAt: at(-9) }),
    aChallenge({ type: 'dns-01', respondedAt: at(-9), validatedAt: at(-1) }),
  ]
  assert.doesNotMatch(JSON.stringify(renderAuthorization(anAuthorization({ challenges }), context)), /invalid/)
})

test('CQ-T10 every authorization has its expires in whole seconds', () => {
  for (const state of ['pending', 'processing', 'valid', 'invalid', 'deactivated', 'expired', 'revoked'] as const) {
    const body = wire(renderAuthorization(anAuthorization({ state }), context))
    assert.match(body.expires, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/, state)
    assert.ok(body.challenges.length > 0, state)
  }
  assert.equal(renderInstant(new Date('2026-01-02T03:04:05.999Z')), '2026-01-02T03:04:05Z')
})

const claimed = { processingAt: at(-1), csrSha256: 'ab' }
const ORDERS = [
  ['pending', anOrder(), 'pending'],
  ['ready', anOrder(), 'valid'],
  ['processing', anOrder(claimed), 'valid'],
  ['valid', anOrder({ ...claimed, certificateSerial: '0aff' }), 'valid'],
  ['invalid', anOrder({ failedAt: at(-1), error: PROBLEM }), 'valid'],
  ['invalid', anOrder({ expiresAt: at(-1) }), 'pending'],
] as const satisfies readonly (readonly [string, unknown, AuthorizationStateName])[]

test('CQ-O02 every order shows expires, identifiers, authorizations and finalize; certificate and error only in their state', () => {
  for (const [status, order, state] of ORDERS) {
    const body = wire(renderOrder({ order, authorizations: [anAuthorization({ state })] }, context))
    assert.equal(body.status, status)
    assert.equal(body.finalize, `https://ca.test:8443/acme/default/order/${order.id}/finalize`)
    assert.deepEqual(body.identifiers, [{ type: 'dns', value: 'www.corp.test' }])
    assert.deepEqual(body.authorizations, ['https://ca.test:8443/acme/default/authz/azr_a000000000000000000000'])
    assert.match(body.expires, /^[\d-]{10}T[\d:]{8}Z$/)
    assert.equal(
      body.certificate,
      status === 'valid' ? 'https://ca.test:8443/acme/default/certificate/0aff' : undefined,
    )
    assert.equal('error' in body, status === 'invalid')
  }
})

test('CQ-T09 no body holds null, an empty object or a date of the year 1', () => {
  const bodies = ORDERS.map(([, order, state]) =>
    renderOrder({ order, authorizations: [anAuthorization({ state })] }, context),
  )
  for (const body of bodies) assert.doesNotMatch(JSON.stringify(body), /null|\{\}|0001-01-01/)
})

test('asked times are shown as they were taken', () => {
  const order = anOrder({ notBefore: at(0), notAfter: at(3600) })
  const body = wire(renderOrder({ order, authorizations: [anAuthorization()] }, context))
  assert.deepEqual([body.notBefore, body.notAfter], ['2026-03-01T12:00:00Z', '2026-03-01T13:00:00Z'])
})
