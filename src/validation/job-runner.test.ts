import assert from 'node:assert/strict'
import { afterEach, beforeEach, test } from 'node:test'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { startFakeDns } from '../../test/support/fake-dns.ts'
import { startHttpTarget, startTcpTarget } from '../../test/support/http-target.ts'
import { until, validationConfig } from '../../test/support/probe.ts'
import { RecordingLogger, RecordingMetrics } from '../../test/support/recorders.ts'
import {
  accountRecord,
  auditEvent,
  authorizationRecord,
  dnsName,
  hours,
  later,
  orderRecord,
  problem,
} from '../../test/support/records.ts'
import { openTestStore, type TestStore } from '../../test/support/store.ts'
import { authorizationStatus } from '../acme/state/authorization.ts'
import { orderState } from '../acme/state/order.ts'
import type { Identifier } from '../lib/identifier.ts'
import { systemRandom } from '../lib/random.ts'
import type {
  AccountRecord,
  AuthorizationRecord,
  ChallengeRecord,
  ChallengeType,
  OrderRecord,
  ValidationJob,
} from '../store/records.ts'
import { ValidationFailure } from './failure.ts'
import { createValidationRunner, type ValidationRunnerDeps } from './job-runner.ts'
import { dnsDigest, keyAuthorization } from './key-authorization.ts'
import type { Prover } from './prover.ts'
import type { ValidationRunner } from './runner.ts'

let clock: FakeClock
let opened: TestStore
let log: RecordingLogger
let metrics: RecordingMetrics
let runners: ValidationRunner[]
beforeEach(async () => {
  clock = new FakeClock()
  opened = await openTestStore(clock)
  log = new RecordingLogger()
  metrics = new RecordingMetrics()
  runners = []
})
afterEach(async () => {
  await Promise.all(runners.map((runner) => runner.stop()))
  await opened.cleanup()
})

function aRunner(options: Partial<ValidationRunnerDeps> & { settings?: unknown } = {}): ValidationRunner {
  const { settings, ...rest } = options
  const runner = createValidationRunner({
    store: opened.store,
    clock,
    random: systemRandom,
    log,
    metrics,
    config: validationConfig(settings),
    validAuthorizationSeconds: 3600,
    chaosDelaySeconds: 0,
    ownListeners: [],
    ...rest,
  })
  runners.push(runner)
  return runner
}

/** A prover that does what it is told at each attempt and counts them. */
class ScriptedProver implements Prover {
  readonly attemptMs = 20_000
  attempts = 0
  running = 0
  most = 0
  readonly startedAt: Date[] = []
  readonly #act: (attempt: number, job: Parameters<Prover['prove']>[0], signal: AbortSignal) => Promise<void>
  constructor(act: (attempt: number, job: Parameters<Prover['prove']>[0], signal: AbortSignal) => Promise<void>) {
    this.#act = act
  }

  async prove(job: Parameters<Prover['prove']>[0], { signal }: { signal: AbortSignal }): Promise<void> {
    this.startedAt.push(clock.now())
    this.running++
    this.most = Math.max(this.most, this.running)
    try {
      await this.#act(++this.attempts, job, signal)
    } finally {
      this.running--
    }
  }
}

const succeeds = (): ScriptedProver => new ScriptedProver(async () => {})
const fails = (detail = 'nobody answered'): ScriptedProver =>
  new ScriptedProver(async () => {
    throw new ValidationFailure('connection', detail)
  })

interface Placed {
  readonly account: AccountRecord
  readonly order: OrderRecord
  readonly authorization: AuthorizationRecord
  readonly challenge: ChallengeRecord
  readonly keyAuthorization: string
}

async function place(name: string, type: ChallengeType = 'http-01', owner?: AccountRecord): Promise<Placed> {
  const now = clock.now()
  const account = owner ?? accountRecord(now)
  if (owner === undefined)
    await opened.store.accounts.create(account, { now, audit: auditEvent(now, 'account.created') })
  const identifier: Identifier = dnsName(name)
  const order = orderRecord(account, [identifier], now)
  const authorization = authorizationRecord(account, identifier, now, { challengeTypes: [type] })
  const links = { authorizationIds: [authorization.id], newAuthorizations: [authorization] }
  await opened.store.orders.create(order, { ...links, now, audit: auditEvent(now, 'order.created') })
  const [challenge] = authorization.challenges
  assert.ok(challenge)
  return {
    account,
    order,
    authorization,
    challenge,
    keyAuthorization: keyAuthorization(challenge.token, account.thumbprint),
  }
}

async function enqueue(placed: Placed, runner: ValidationRunner): Promise<ValidationJob | undefined> {
  const now = clock.now()
  const result = await opened.store.validationJobs.enqueue(placed, {
    now,
    keyAuthorization: placed.keyAuthorization,
    owner: runner.owner,
    leaseUntil: later(now, runner.leaseSeconds * 1000),
    audit: auditEvent(now, 'challenge.responded'),
  })
  return result.outcome === 'queued' ? result.job : undefined
}

async function answer(placed: Placed, runner: ValidationRunner): Promise<void> {
  const leasedAtMs = clock.monotonicMs()
  const job = await enqueue(placed, runner)
  assert.ok(job)
  runner.run(job, leasedAtMs)
}

async function stateOf({ order }: Placed) {
  const found = await opened.store.orders.get(order.id)
  const authorization = found?.authorizations[0]
  const challenge = authorization?.challenges[0]
  assert.ok(found && authorization && challenge)
  const now = clock.now()
  const state = orderState(found, now)
  return {
    order: state.status,
    orderError: state.status === 'invalid' ? state.error : undefined,
    authorization: authorizationStatus(authorization, now),
    expiresAt: authorization.expiresAt,
    challenge,
  }
}

/** Moves time in small steps, letting sockets and the database work in between. */
async function pass(seconds: number, done: () => boolean | Promise<boolean> = () => false): Promise<void> {
  for (let second = 0; second < seconds && !(await done()); second++) {
    await clock.advance(1000)
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setTimeout(resolve, 1))
  }
}

test('a job runs at once, and its success makes challenge, authorization and order good in the store', async () => {
  const ended: string[] = []
  const runner = aRunner({ prover: succeeds(), onEnd: (_, outcome) => ended.push(outcome) })
  const placed = await place('a.test')
  await answer(placed, runner)
  await until(() => ended.length === 1)
  const state = await stateOf(placed)
  assert.deepEqual([state.order, state.authorization], ['ready', 'valid'])
  assert.deepEqual(state.challenge.validatedAt, clock.now())
  assert.deepEqual(state.expiresAt, later(clock.now(), 3_600_000))
  assert.deepEqual(ended, ['valid'])
  assert.equal(await opened.store.validationJobs.count(), 0)
})

test('CQ-V06 a host that never answers is invalid within the stated time: three attempts, five seconds apart', async () => {
  const prover = fails('no connection to a.test')
  const runner = aRunner({ prover })
  runner.start()
  const placed = await place('a.test')
  const began = clock.now()
  await answer(placed, runner)
  await until(() => prover.attempts === 1)
  await pass(9)
  assert.deepEqual([(await stateOf(placed)).order, (await stateOf(placed)).challenge.failedAt], ['pending', undefined])
  await pass(10, async () => (await stateOf(placed)).authorization === 'invalid')
  const state = await stateOf(placed)
  assert.deepEqual(
    prover.startedAt.map((at) => Math.round((at.getTime() - began.getTime()) / 1000)),
    [0, 5, 10],
  )
  assert.deepEqual([state.order, state.authorization], ['invalid', 'invalid'])
  assert.deepEqual(state.challenge.error, { type: 'connection', detail: 'no connection to a.test', status: 400 })
  assert.deepEqual(state.orderError, {
    type: 'unauthorized',
    detail: 'Control of a.test was not proven. no connection to a.test',
    status: 403,
    subproblems: [{ type: 'connection', detail: 'no connection to a.test', identifier: dnsName('a.test') }],
  })
  await pass(60)
  assert.equal(prover.attempts, 3)
})

test('KF-A11 a refused target fails at the first attempt', async () => {
  const runner = aRunner({ settings: { dns: { resolvers: ['127.0.0.1:9'] } } })
  runner.start()
  const placed = await place('a.localhost')
  await answer(placed, runner)
  await until(async () => (await stateOf(placed)).authorization === 'invalid')
  assert.match((await stateOf(placed)).challenge.error?.detail ?? '', /loopback address/)
  assert.equal(log.of('validation.attempt').length, 1)
})

test('CQ-V13 a dns-01 record that appears after ten seconds is found', async () => {
  const dns = await startFakeDns()
  const runner = aRunner({ settings: { dns: { resolvers: [dns.resolver] } } })
  runner.start()
  const placed = await place('www.corp.test', 'dns-01')
  await answer(placed, runner)
  await until(() => dns.queries.length === 1)
  await pass(10)
  assert.equal((await stateOf(placed)).authorization, 'pending')
  dns.set('_acme-challenge.www.corp.test', 'TXT', dnsDigest(placed.keyAuthorization))
  await pass(10, async () => (await stateOf(placed)).authorization === 'valid')
  assert.equal((await stateOf(placed)).authorization, 'valid')
  await dns.close()
})

test('CQ-V13 dns-01 is given up only after thirty seconds, and the detail names what was asked', async () => {
  const dns = await startFakeDns()
  const runner = aRunner({ settings: { dns: { resolvers: [dns.resolver] } } })
  runner.start()
  const placed = await place('www.corp.test', 'dns-01')
  const began = clock.now()
  await answer(placed, runner)
  await until(() => dns.queries.length === 1)
  await pass(60, async () => (await stateOf(placed)).authorization === 'invalid')
  const { challenge } = await stateOf(placed)
  const seconds = ((challenge.failedAt?.getTime() ?? 0) - began.getTime()) / 1000
  assert.ok(seconds >= 30 && seconds <= 45, String(seconds))
  assert.match(challenge.error?.detail ?? '', /_acme-challenge\.www\.corp\.test/)
  await dns.close()
})

test('CQ-V05 KF-A21 twenty answers at once and repeats while it runs make one attempt and one final state', async () => {
  let finish = (): void => {}
  const slow = new ScriptedProver(() => new Promise((resolve) => (finish = resolve)))
  const runner = aRunner({ prover: slow })
  runner.start()
  const placed = await place('a.test')
  const jobs = await Promise.all(Array.from({ length: 20 }, () => enqueue(placed, runner)))
  for (const job of jobs) if (job !== undefined) runner.run(job, clock.monotonicMs())
  const [queued] = jobs.filter((job) => job !== undefined)
  assert.ok(queued)
  runner.run(queued, clock.monotonicMs())
  for (let i = 0; i < 20; i++) runner.hasten({ challengeId: placed.challenge.id })
  await pass(10)
  assert.equal(slow.attempts, 1)
  finish()
  await until(async () => (await stateOf(placed)).authorization === 'valid')
  await pass(90)
  assert.equal(slow.attempts, 1)
})

/** A store that a process cannot reach when it would renew its leases. */
function cutOff(): ValidationRunnerDeps['store'] {
  const renew = async () => {
    throw new Error('no route to the database')
  }
  return { validationJobs: { ...opened.store.validationJobs, renew } }
}

test('KF-A21 a slow failure of a runner that lost its lease does not overwrite the success of another', async () => {
  let fail = (): void => {}
  const slow = new ScriptedProver(
    () =>
      new Promise(
        (_, reject) => (fail = () => reject(new ValidationFailure('connection', 'late', { hopeless: true }))),
      ),
  )
  const stuck = aRunner({ prover: slow, store: cutOff() })
  const placed = await place('a.test')
  await answer(placed, stuck)
  await until(() => slow.attempts === 1)
  await clock.advance(stuck.leaseSeconds * 1000 + 1)
  aRunner({ prover: succeeds() }).start()
  await until(async () => (await stateOf(placed)).authorization === 'valid')
  fail()
  await until(() => metrics.counts.get('chancery_validations_total http-01 discarded') === 1)
  assert.deepEqual([(await stateOf(placed)).order, (await stateOf(placed)).authorization], ['ready', 'valid'])
})

/** An attempt that does not end before it is called off. */
const hangs = (): ScriptedProver =>
  new ScriptedProver(
    (_, __, signal) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason))
      }),
  )

test('KF-E13 a job whose process died in the middle is taken up by another within 17 seconds, and the order goes on', async () => {
  const hanging = hangs()
  // A process that dies gives nothing back.
  const validationJobs = { ...opened.store.validationJobs, release: async () => undefined }
  const first = aRunner({ prover: hanging, store: { validationJobs } })
  first.start()
  const second = succeeds()
  aRunner({ prover: second }).start()
  const placed = await place('a.test')
  await answer(placed, first)
  await until(() => hanging.attempts === 1)
  // It lived for long enough to renew, so that the lease may be as young as at the beginning.
  await pass(9)
  await first.stop()
  assert.equal((await stateOf(placed)).authorization, 'pending')
  assert.equal(await opened.store.validationJobs.count(), 1)
  await pass(9)
  assert.equal(second.attempts, 0, 'not before the lease has ended')
  await pass(8, async () => (await stateOf(placed)).authorization === 'valid')
  assert.deepEqual([(await stateOf(placed)).order, second.attempts], ['ready', 1])
})

test('KF-E13 nobody takes over what a living process has at work or in line, however long it takes', async () => {
  const slow = new ScriptedProver((_attempt, _job, signal) => clock.sleep(19_000, signal))
  const busy = aRunner({ prover: slow, settings: { concurrency: 1 } })
  const idle = succeeds()
  aRunner({ prover: idle }).start()
  busy.start()
  const account = accountRecord(clock.now())
  await opened.store.accounts.create(account, { now: clock.now(), audit: auditEvent(clock.now(), 'account.created') })
  // Eight slow ones, and one in line behind them; the pump looks when something ends.
  const places: Placed[] = []
  for (let i = 0; i < 9; i++) places.push(await place(`n${i}.test`, 'http-01', account))
  for (const placed of places) await answer(placed, busy)
  await pass(60, async () => (await opened.store.validationJobs.count()) === 0)
  assert.deepEqual([slow.attempts, idle.attempts], [9, 0])
  for (const placed of places) assert.equal((await stateOf(placed)).authorization, 'valid')
  assert.equal(metrics.counts.get('chancery_validations_total http-01 discarded'), undefined)
})

test('a validation of less than a second costs no renewal, and twenty long ones share theirs', async () => {
  let renewals = 0
  const jobs = opened.store.validationJobs
  const counting: ValidationRunnerDeps['store'] = {
    validationJobs: {
      ...jobs,
      renew: (...args) => {
        renewals++
        return jobs.renew(...args)
      },
    },
  }
  const runner = aRunner({ prover: succeeds(), store: counting })
  runner.start()
  for (let i = 0; i < 10; i++) {
    const placed = await place(`n${i}.test`)
    await answer(placed, runner)
    await pass(3, async () => (await stateOf(placed)).authorization === 'valid')
  }
  await pass(30)
  assert.equal(renewals, 0)
  const slow = aRunner({ prover: hangs(), store: counting })
  for (let i = 0; i < 20; i++) await answer(await place(`slow-${i}.test`), slow)
  await pass(20)
  assert.ok(renewals >= 3 && renewals <= 5, `${renewals} for twenty jobs in twenty seconds`)
})

test('KF-E13 a process that cannot renew begins nothing that waits in line; another does it, and late results are discarded', async () => {
  const gate = Promise.withResolvers<void>()
  const stuck = new ScriptedProver((_attempt, _job, signal) => {
    signal.addEventListener('abort', () => gate.resolve())
    return gate.promise
  })
  const alone = aRunner({ prover: stuck, store: cutOff(), settings: { concurrency: 1 } })
  const places: Placed[] = []
  for (let i = 0; i < 3; i++) places.push(await place(`n${i}.test`))
  for (const placed of places) await answer(placed, alone)
  await until(() => stuck.attempts === 1)
  const other = succeeds()
  aRunner({ prover: other }).start()
  await pass(17, async () => (await opened.store.validationJobs.count()) === 0)
  for (const placed of places) assert.equal((await stateOf(placed)).authorization, 'valid')
  gate.resolve()
  await until(() => metrics.counts.get('chancery_validations_total http-01 discarded') === 1)
  await pass(5)
  assert.deepEqual([stuck.attempts, other.attempts], [1, 3])
})

test('KF-E13 a process that stops in good order gives its jobs back, and another goes on at once', async () => {
  const hanging = hangs()
  const first = aRunner({ prover: hanging, settings: { concurrency: 2 } })
  first.start()
  const places = await Promise.all(['a.test', 'b.test', 'c.test'].map((name) => place(name)))
  for (const placed of places) await answer(placed, first)
  await until(() => hanging.attempts > 0)
  await first.stop()
  aRunner({ prover: succeeds() }).start()
  const isDone = async () =>
    (await Promise.all(places.map(stateOf))).every(({ authorization }) => authorization === 'valid')
  await until(isDone)
})

test('KF-E13 a job that was enqueued and never run, and one waiting for its retry, survive the process', async () => {
  const dead = aRunner({ prover: fails() })
  const [never, waiting] = [await place('a.test'), await place('b.test')]
  await enqueue(never, dead)
  await answer(waiting, dead)
  await until(() => log.of('validation.attempt').length === 1)
  await dead.stop()
  aRunner({ prover: succeeds() }).start()
  await pass(90, async () => (await stateOf(never)).order === 'ready' && (await stateOf(waiting)).order === 'ready')
  assert.deepEqual([(await stateOf(never)).order, (await stateOf(waiting)).order], ['ready', 'ready'])
})

test('a client that repeats its response has a waiting job tried at once, but not more than once a second', async () => {
  const prover = new ScriptedProver(async (attempt) => {
    if (attempt < 3) throw new ValidationFailure('connection', 'not yet')
  })
  const jobs = opened.store.validationJobs
  const seen = { putBack: 0, hastened: 0 }
  const counting = {
    ...jobs,
    retry: async (...args: Parameters<typeof jobs.retry>) => {
      await jobs.retry(...args)
      seen.putBack++
    },
    hasten: (...args: Parameters<typeof jobs.hasten>) => {
      seen.hastened++
      return jobs.hasten(...args)
    },
  }
  const runner = aRunner({ prover, store: { validationJobs: counting } })
  runner.start()
  const placed = await place('a.test')
  await answer(placed, runner)
  await until(() => seen.putBack === 1)
  for (let i = 0; i < 10; i++) runner.hasten({ challengeId: placed.challenge.id })
  await until(() => seen.putBack === 2)
  runner.hasten({ challengeId: placed.challenge.id })
  assert.deepEqual([seen.hastened, prover.attempts], [1, 2])
  await clock.advance(1_000)
  runner.hasten({ challengeId: placed.challenge.id })
  await until(() => prover.attempts === 3)
})

test('CQ-V12 the token is fetched once, and nothing is fetched after the success is seen', async () => {
  const [dns, web] = [await startFakeDns(), await startHttpTarget()]
  dns.set('www.corp.test', 'A', '127.0.0.1')
  const runner = aRunner({
    settings: { http01: { port: web.port }, dns: { resolvers: [dns.resolver] }, egress: { allow: ['127.0.0.1/32'] } },
  })
  runner.start()
  const placed = await place('www.corp.test')
  web.provision(placed.challenge.token, placed.keyAuthorization)
  await answer(placed, runner)
  await until(async () => (await stateOf(placed)).authorization === 'valid')
  web.withdraw(placed.challenge.token)
  await pass(90)
  assert.equal(web.requests.length, 1)
  assert.equal((await stateOf(placed)).authorization, 'valid')
  await Promise.all([dns.close(), web.close()])
})

test('KF-A22 after a key rollover the response made with the old key no longer validates', async () => {
  const [dns, web] = [await startFakeDns(), await startHttpTarget()]
  dns.set('www.corp.test', 'A', '127.0.0.1')
  const runner = aRunner({
    settings: {
      http01: { port: web.port },
      dns: { resolvers: [dns.resolver] },
      egress: { allow: ['127.0.0.1/32'] },
      attempts: 1,
    },
  })
  const placed = await place('www.corp.test')
  web.provision(placed.challenge.token, placed.keyAuthorization)
  const renewed = accountRecord(clock.now())
  const changed = await opened.store.accounts.changeKey(placed.account.directory, placed.account.id, {
    oldThumbprint: placed.account.thumbprint,
    jwk: renewed.jwk,
    thumbprint: renewed.thumbprint,
    spkiSha256: renewed.spkiSha256,
    audit: auditEvent(clock.now(), 'account.key-changed'),
  })
  assert.ok(changed.outcome === 'changed')
  const byNewKey = { ...placed, keyAuthorization: keyAuthorization(placed.challenge.token, changed.account.thumbprint) }
  await answer(byNewKey, runner)
  await until(async () => (await stateOf(placed)).authorization === 'invalid')
  assert.equal((await stateOf(placed)).challenge.error?.type, 'incorrectResponse')
  await Promise.all([dns.close(), web.close()])
})

test('a proof that comes after the account was deactivated is discarded', async () => {
  let finish = (): void => {}
  const runner = aRunner({ prover: new ScriptedProver(() => new Promise((resolve) => (finish = resolve))) })
  const placed = await place('a.test')
  await answer(placed, runner)
  const ending = { now: clock.now(), error: problem('gone'), audit: auditEvent(clock.now(), 'x') }
  await opened.store.accounts.deactivate(placed.account.directory, placed.account.id, ending)
  finish()
  await until(() => metrics.counts.get('chancery_validations_total http-01 discarded') === 1)
  assert.equal((await stateOf(placed)).challenge.validatedAt, undefined)
})

test('a job whose authorization expired while it waited is ended without a query', async () => {
  const prover = succeeds()
  const dead = aRunner({ prover })
  const placed = await place('a.test')
  await enqueue(placed, dead)
  await clock.advance(hours(25))
  aRunner({ prover }).start()
  await until(async () => (await opened.store.validationJobs.count()) === 0)
  assert.equal(prover.attempts, 0)
  assert.equal((await stateOf(placed)).challenge.validatedAt, undefined)
})

test('KF-G12 the chaos delay is waited before the attempt', async () => {
  const prover = succeeds()
  const runner = aRunner({ prover, chaosDelaySeconds: 30 })
  const placed = await place('a.test')
  await answer(placed, runner)
  await pass(29)
  assert.equal(prover.attempts, 0)
  await pass(5, () => prover.attempts === 1)
  assert.equal(prover.attempts, 1)
})

test('no more attempts run than the concurrency allows, and all jobs are done in the end', async () => {
  const prover = new ScriptedProver(() => new Promise((resolve) => setImmediate(resolve)))
  const runner = aRunner({ prover, settings: { concurrency: 4 } })
  runner.start()
  const all: Placed[] = []
  for (let i = 0; i < 60; i++) all.push(await place(`n${i}.test`))
  for (const placed of all) await answer(placed, runner)
  await pass(200, async () => (await opened.store.validationJobs.count()) === 0)
  assert.equal(prover.attempts, 60)
  assert.ok(prover.most <= 4)
})

test('KF-F21 a fault of our own tells the requester nothing, and the log the cause', async () => {
  const runner = aRunner({
    prover: new ScriptedProver(async () => {
      throw new TypeError("Cannot read properties of undefined (reading 'secret')")
    }),
    settings: { attempts: 1 },
  })
  const placed = await place('a.test')
  await answer(placed, runner)
  await until(async () => (await stateOf(placed)).authorization === 'invalid')
  const { challenge, orderError } = await stateOf(placed)
  assert.equal(challenge.error?.type, 'serverInternal')
  assert.doesNotMatch(JSON.stringify([challenge.error, orderError]), /undefined|secret/)
  assert.ok(log.of('validation.attempt')[0]?.['error'] instanceof TypeError)
})

test('KF-E13 when the result cannot be stored the job stays and is tried again', async () => {
  let broken = true
  const jobs = opened.store.validationJobs
  const flaky = {
    validationJobs: {
      ...jobs,
      succeed: async (...args: Parameters<typeof jobs.succeed>) => {
        if (broken) throw new Error('disk full')
        return jobs.succeed(...args)
      },
    },
  }
  const runner = aRunner({ prover: succeeds(), store: flaky })
  runner.start()
  const placed = await place('a.test')
  await answer(placed, runner)
  await until(() => log.of('validation.not_recorded').length === 1)
  assert.equal((await stateOf(placed)).authorization, 'pending')
  broken = false
  await pass(runner.leaseSeconds + 10, async () => (await stateOf(placed)).authorization === 'valid')
  assert.equal((await stateOf(placed)).authorization, 'valid')
})

test('a store that fails while the table is read does not end the poller', async () => {
  let broken = true
  const jobs = opened.store.validationJobs
  const flaky = {
    validationJobs: {
      ...jobs,
      lease: async (...args: Parameters<typeof jobs.lease>) => {
        if (broken) throw new Error('busy')
        return jobs.lease(...args)
      },
    },
  }
  const placed = await place('a.test')
  await enqueue(placed, aRunner({ prover: succeeds() }))
  await clock.advance(120_000)
  aRunner({ prover: succeeds(), store: flaky }).start()
  await until(() => log.of('validation.poll_failed').length > 0)
  broken = false
  await pass(10, async () => (await stateOf(placed)).authorization === 'valid')
  assert.equal((await stateOf(placed)).authorization, 'valid')
})

test('KF-F20 neither token nor key authorization is in the log, the audit trail or the problem', async () => {
  const [dns, web] = [await startFakeDns(), await startHttpTarget()]
  dns.set('good.test', 'A', '127.0.0.1')
  dns.set('bad.test', 'A', '127.0.0.1')
  const runner = aRunner({
    settings: {
      http01: { port: web.port },
      dns: { resolvers: [dns.resolver] },
      egress: { allow: ['127.0.0.1/32'] },
      attempts: 1,
    },
  })
  const [good, bad] = [await place('good.test'), await place('bad.test')]
  web.provision(good.challenge.token, good.keyAuthorization)
  web.provision(bad.challenge.token, `${bad.challenge.token}.wrong`)
  await answer(good, runner)
  await answer(bad, runner)
  await until(() => log.of('validation.attempt').length === 2)
  await until(async () => (await stateOf(bad)).authorization === 'invalid')
  const audited = await Promise.all(
    [good, bad].map(({ account }) => opened.store.audit.findByReference(account.id, 100)),
  )
  const written = JSON.stringify([
    log.lines,
    audited,
    (await stateOf(bad)).challenge.error,
    (await stateOf(bad)).orderError,
  ])
  for (const { challenge, account } of [good, bad]) {
    assert.ok(!written.includes(challenge.token))
    assert.ok(!written.includes(account.thumbprint))
  }
  assert.deepEqual(
    audited
      .flat()
      .map(({ event }) => event)
      .filter((event) => event.startsWith('validation.'))
      .sort(),
    ['validation.failed', 'validation.succeeded'],
  )
  assert.match(written, /127\.0\.0\.1/, 'but the address is')
  await Promise.all([dns.close(), web.close()])
})

test('stop aborts what hangs on a socket, and resolves', async () => {
  const [dns, silent] = [await startFakeDns(), await startTcpTarget()]
  dns.set('a.test', 'A', '127.0.0.1')
  const runner = aRunner({
    settings: {
      http01: { port: silent.port },
      dns: { resolvers: [dns.resolver] },
      egress: { allow: ['127.0.0.1/32'] },
    },
  })
  runner.start()
  const placed = await place('a.test')
  await answer(placed, runner)
  await until(() => silent.accepted === 1)
  await runner.stop()
  await until(() => silent.open === 0)
  assert.equal(await opened.store.validationJobs.count(), 1)
  assert.equal((await stateOf(placed)).challenge.failedAt, undefined)
  runner.run({} as ValidationJob, clock.monotonicMs())
  runner.hasten({ challengeId: 'x' })
  await Promise.all([dns.close(), silent.close()])
})

test('owners differ from runner to runner, so that a lease tells them apart', () => {
  assert.notEqual(aRunner({ prover: succeeds() }).owner, aRunner({ prover: succeeds() }).owner)
})

test('KF-F04 failed proofs are counted for the name, and failures of our own are not', async () => {
  const pause = { failures: 1, seconds: 60, atMostSeconds: 600 }
  const broken = new ScriptedProver(async () => {
    throw new Error('no resolver configured')
  })
  const pausesAfter = async (prover: Prover, name: string): Promise<number> => {
    const runner = aRunner({ prover, pause, settings: { attempts: 1, dnsAttempts: 1 } })
    const placed = await place(name)
    const job = await enqueue(placed, runner)
    assert.ok(job)
    runner.run(job, clock.monotonicMs())
    const ended = async () =>
      (await opened.store.authorizations.find('default', placed.account.id, placed.authorization.id))?.challenges[0]
    await until(async () => (await ended())?.failedAt !== undefined)
    const names = [`${placed.account.id}/dns:${name}`]
    return (await opened.store.limits.standing({ set: '', names }, clock.now())).pauses.length
  }
  assert.equal(await pausesAfter(fails(), 'hopeless.test'), 1)
  assert.equal(await pausesAfter(broken, 'innocent.test'), 0)
})

test('KF-F23 a job for which there is no place here is free for others at once, not only after its lease', async () => {
  const gate = Promise.withResolvers<void>()
  const slow = new ScriptedProver((_attempt, _job, signal) => {
    signal.addEventListener('abort', () => gate.resolve())
    return gate.promise
  })
  const full = aRunner({ prover: slow, settings: { concurrency: 1 } })
  // One runs and eight wait; for the tenth there is no place.
  const placed: Placed[] = []
  for (let i = 0; i < 10; i++) placed.push(await place(`n${i}.test`))
  for (const one of placed) await answer(one, full)
  const [ninth, tenth] = placed.slice(8)
  assert.ok(ninth && tenth)
  assert.ok(full.waitSeconds() > 0)
  assert.ok(full.pressure() > 0 && full.pressure() < 1)

  const other = aRunner({ prover: succeeds() })
  other.start()
  await pass(10, async () => (await stateOf(tenth)).authorization === 'valid')
  assert.deepEqual([(await stateOf(tenth)).authorization, (await stateOf(ninth)).authorization], ['valid', 'pending'])
  gate.resolve()
  await until(async () => (await stateOf(ninth)).authorization === 'valid')
})

test('KF-F04 more hopeless jobs than there is a line for are not leased and given back without a pause', async () => {
  const jobs = opened.store.validationJobs
  let leases = 0
  const counting = {
    validationJobs: {
      ...jobs,
      lease: (...args: Parameters<typeof jobs.lease>) => {
        leases++
        return jobs.lease(...args)
      },
    },
  }
  const prover = new ScriptedProver((attempt, _job, signal) =>
    attempt <= 3
      ? Promise.reject(new ValidationFailure('connection', 'nobody answered'))
      : new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
  )
  const runner = aRunner({ prover, store: counting, settings: { concurrency: 4, attempts: 1 } })
  const first = await place('n0.test')
  await answer(first, runner)
  // The author of three failures is doubtful: two attempts run, 32 wait in line, and the rest stays in the table.
  for (let i = 1; i < 48; i++) {
    await answer(await place(`n${i}.test`, 'http-01', first.account), runner)
    await until(() => prover.attempts >= Math.min(i + 1, 5))
  }
  await until(() => log.of('validation.left_in_table').length === 11)
  runner.start()
  for (let turn = 0; turn < 100; turn++) await new Promise((resolve) => setTimeout(resolve, 1))
  assert.equal(leases, 1, 'no time has passed since the first look')
  await clock.advance(2_000)
  await until(() => leases > 1)
})

test('KF-F23 the backlog at which no new order is taken is that of the table, whoever holds the jobs', async () => {
  const prover = fails()
  const runner = aRunner({ prover, maxBacklog: 2, settings: { attempts: 3 } })
  await answer(await place('a.test'), runner)
  await answer(await place('b.test'), runner)
  assert.ok(runner.pressure() >= 1)
  runner.start()
  await pass(120, async () => (await opened.store.validationJobs.count()) === 0)
  await pass(3)
  assert.equal(runner.pressure(), 0)
})

test('KF-F04 targets that never answer do not hold up a good one for long', async () => {
  const prover = new ScriptedProver(async (_attempt, job, signal) => {
    if (job.authorization.identifier.value === 'good.test') return
    await clock.sleep(20_000, signal)
    throw new ValidationFailure('connection', 'did not answer')
  })
  const runner = aRunner({ prover, settings: { concurrency: 4 } })
  runner.start()
  for (let i = 0; i < 24; i++) await answer(await place(`dead-${i}.test`), runner)
  const good = await place('good.test')
  await answer(good, runner)
  let seconds = 0
  await pass(60, async () => {
    seconds++
    return (await stateOf(good)).authorization === 'valid'
  })
  assert.ok(seconds < 18, `it waited ${seconds} s, and one attempt of the others takes 20`)
})
