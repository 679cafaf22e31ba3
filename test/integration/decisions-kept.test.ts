import assert from 'node:assert/strict'
import { test } from 'node:test'
import { finalize } from '../../src/acme/endpoints/finalize.ts'
import { newOrder } from '../../src/acme/endpoints/new-order.ts'
import type { Policy } from '../../src/policy/decision.ts'
import { openAcmeWorld } from '../support/acme-world.ts'
import { EnrollmentWorld, NAMES, TEST_POLICY } from '../support/enrollment-world.ts'

const SECRET_RULE = 'rule-of-another-team'

/** Says no at one stage, and tells the operator of a rule that is for others. */
function refusingAt(refused: 'order' | 'issuance'): Policy {
  return {
    async decide(request) {
      if (request.stage !== refused) return { outcome: 'allow', reasons: [], version: 'aaaa000011112222' }
      const name = request.names[0] ?? assert.fail('no name')
      return {
        outcome: 'deny',
        reasons: [{ rule: 'names.dns', code: 'name-not-allowed', detail: 'No rule allows this to you', name }],
        version: 'aaaa000011112222',
        nearMisses: [{ rule: SECRET_RULE, name: `${name.type}:${name.value}`, misses: ['the rule is for others'] }],
      }
    },
  }
}

function referenceIn(text: string): string {
  return /\(reference (req_[\w-]{22})\)/.exec(text)?.[1] ?? assert.fail(`no reference in: ${text}`)
}

test('a refused order is kept with all that was asked, under the reference that the requester was given', async (t) => {
  const world = await openAcmeWorld()
  t.after(world.cleanup)
  const by = await world.account()
  const directory = { ...world.directory, policy: refusingAt('order') }
  const payload = { identifiers: [{ type: 'dns', value: 'a.test' }] }
  const error = await world.refused(newOrder, { by, payload, directory })
  const [kept, ...more] = await world.store.decisions.find(referenceIn(error.message), 10)
  assert.ok(kept)
  assert.deepEqual(more, [])
  assert.equal(kept.request.stage, 'order')
  assert.deepEqual(kept.request.at, world.clock.now())
  assert.deepEqual(kept.request.names, [{ type: 'dns', value: 'a.test' }])
  assert.ok(kept.request.requester.kind === 'account' && kept.request.requester.accountId === by.record.id)
  assert.equal(kept.decision.version, 'aaaa000011112222')
  assert.ok(kept.decision.outcome === 'deny' && kept.decision.nearMisses?.[0]?.rule === SECRET_RULE)
})

test('rules that nearly allowed are never told to the requester, at newOrder or at finalize', async (t) => {
  const refusing = refusingAt('issuance')
  const world = await openAcmeWorld({
    services: ({ enrollment }) => ({
      enrollment: {
        ...enrollment,
        enroll: async ({ requester, identifiers: names, profile }) => ({
          outcome: 'refused',
          decision: await refusing.decide({
            ...{ requester, names, profile: profile.name },
            stage: 'issuance',
            at: world.clock.now(),
          }),
        }),
      },
    }),
  })
  t.after(world.cleanup)
  const by = await world.account()
  const payload = { identifiers: [{ type: 'dns', value: 'a.test' }] }
  const early = await world.refused(newOrder, {
    by,
    payload,
    directory: { ...world.directory, policy: refusingAt('order') },
  })
  const { location = '', json } = await world.call(newOrder, { by, payload })
  for (const url of json.authorizations as string[]) await world.prove(by, url.slice(url.lastIndexOf('/') + 1))
  const params = { id: location.slice(location.lastIndexOf('/') + 1) }
  const { csr } = world.csr(['a.test'])
  const late = await world.refused(finalize, { by, params, payload: { csr } })
  for (const { message, options } of [early, late]) {
    assert.match(message, /No rule allows this to you \[policy rule names\.dns\] \(reference req_/)
    assert.doesNotMatch(JSON.stringify([message, options]), new RegExp(SECRET_RULE))
  }
  assert.doesNotMatch(JSON.stringify(world.log.lines), new RegExp(SECRET_RULE), 'nor is the log the place for them')
})

test('an order that is refused at finalize is kept with key and length, and the order stays ready', async (t) => {
  const world = await EnrollmentWorld.open(t)
  const request = await world.readyOrder()
  const result = await world.enrollment({ policyFor: () => refusingAt('issuance') }).enroll(request)
  assert.equal(result.outcome, 'refused')
  const [kept, ...more] = await world.store.decisions.find(request.order?.id ?? '', 10)
  assert.ok(kept)
  assert.deepEqual(more, [])
  assert.equal(kept.reference, request.requestId)
  assert.equal(kept.serial, undefined)
  assert.equal(kept.decision.outcome, 'deny')
  assert.equal(kept.request.stage, 'issuance')
  assert.equal(kept.request.key?.spkiSha256, request.publicKey.sha256)
  assert.equal((await world.order(request.order?.id ?? '')).processingAt, undefined)
  const events = await world.store.audit.findByReference(request.requestId, 10)
  assert.deepEqual(
    events.map(({ event }) => event),
    ['policy.denied'],
  )
})

test('what allowed a certificate is kept once, with its serial, and says what was in the bytes', async (t) => {
  const world = await EnrollmentWorld.open(t)
  const request = await world.readyOrder()
  const result = await world.enrollment().enroll(request)
  assert.ok(result.outcome === 'issued')
  const decisions = await world.store.decisions.find(request.order?.id ?? '', 10)
  assert.equal(decisions.length, 1)
  assert.equal(decisions[0]?.decision.outcome, 'allow')
  assert.equal(decisions[0]?.serial, result.certificate.serial)
  assert.deepEqual(decisions[0]?.request.names, NAMES)
  assert.match(decisions[0]?.decision.reasons[0]?.rule ?? '', /^policies\.default\.allow\.dns/)
})

test('a reservation that policy does not allow any more ends with the decision that ended it', async (t) => {
  const world = await EnrollmentWorld.open(t)
  const request = await world.readyOrder()
  const orderId = request.order?.id ?? ''
  const { complete: _, ...certificates } = world.store.certificates
  const complete = () => Promise.reject(new Error('the store is away'))
  const store = { ...world.store, certificates: { ...certificates, complete } }
  assert.equal((await world.enrollment({ store }).enroll(request)).outcome, 'processing')
  await world.clock.advance(31_000)
  assert.equal(await world.enrollment({ policyFor: () => refusingAt('issuance') }).resume(), 1)
  const decisions = await world.store.decisions.find(orderId, 10)
  assert.deepEqual(
    decisions.map(({ decision }) => decision.outcome),
    ['allow', 'deny'],
  )
  assert.equal(decisions[0]?.serial, decisions[1]?.serial)
})

test('KF-G01 a refusal that cannot be kept is a refusal all the same', async (t) => {
  const world = await EnrollmentWorld.open(t)
  const request = await world.readyOrder()
  const append = () => Promise.reject(new Error('the store is away'))
  const store = { ...world.store, decisions: { ...world.store.decisions, append } }
  await assert.rejects(world.enrollment({ store, policyFor: () => refusingAt('issuance') }).enroll(request))
  assert.equal(world.authority.signatures(), 0)
  assert.equal((await world.order(request.order?.id ?? '')).processingAt, undefined)
})

test('KF-G01 a certificate whose decision cannot be kept is not signed', async (t) => {
  const world = await EnrollmentWorld.open(t)
  const request = await world.readyOrder()
  const circular: Record<string, unknown> = {}
  circular['self'] = circular
  const policy: Policy = {
    async decide(asked) {
      const decision = await TEST_POLICY.decide(asked)
      return { ...decision, ...circular }
    },
  }
  await assert.rejects(world.enrollment({ policyFor: () => policy }).enroll(request))
  assert.equal(world.authority.signatures(), 0)
  assert.equal((await world.order(request.order?.id ?? '')).processingAt, undefined)
})
