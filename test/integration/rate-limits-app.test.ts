import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { runCli } from '../../src/cli/run.ts'
import { AcmeTestClient } from '../support/acme-test-client.ts'
import { startTestChancery, type TestChancery } from '../support/chancery.ts'
import { type HttpTarget, startHttpTarget } from '../support/http-target.ts'

let target: HttpTarget
const started: TestChancery[] = []
before(async () => {
  target = await startHttpTarget({ address: '127.0.0.1' })
})
after(async () => {
  for (const chancery of started) await chancery.stop()
  await target.close()
})

async function start(...set: string[]): Promise<TestChancery> {
  const chancery = await startTestChancery({
    set: [`validation.http01.port=${target.port}`, 'validation.attempts=1', ...set],
  })
  started.push(chancery)
  return chancery
}

async function cli(chancery: TestChancery, ...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  const [out, err]: [string[], string[]] = [[], []]
  const code = await runCli(argv, {
    env: { CHANCERY_HOME: chancery.home },
    cwd: '/',
    out: (line) => out.push(line),
    err: (line) => err.push(line),
  })
  return { code, out: out.join('\n'), err: err.join('\n') }
}

test('KF-F04 a name whose proofs fail is paused by the real validator; the operator sees it and ends the pause', async () => {
  const chancery = await start('limits.pauseAfterFailures=2', 'limits.newNamesPerAccount=50/1h')
  const client = new AcmeTestClient({ directoryUrl: chancery.urls.directory, ca: chancery.rootPem })
  assert.equal((await cli(chancery, 'limits', 'list')).err, 'No name is paused, and no shared limit is in use.')
  await client.newAccount()
  for (let i = 0; i < 2; i++) {
    const order = await client.newOrder(['127.0.0.1'])
    assert.equal(order.status, 201, order.text)
    const authorization = await client.postAsGet(order.json.authorizations[0])
    const challenge = authorization.json.challenges.find((one: { type: string }) => one.type === 'http-01')
    await client.post(challenge.url, {})
    assert.equal((await client.poll(order.json.authorizations[0])).json.status, 'invalid')
  }
  const refused = await client.newOrder(['127.0.0.1'])
  assert.equal(refused.status, 429, refused.text)
  assert.ok(Number(refused.headers['retry-after']) > 800)

  const listed = await cli(chancery, 'limits', 'list', '--set', 'limits.newNamesPerAccount=50/1h')
  const [pause, ...used] = listed.out.split('\n')
  const key = pause?.split(' ')[0] ?? ''
  assert.match(pause ?? '', /^acc_[\w-]{22}\/ip:127\.0\.0\.1 {2}paused until 20\S+Z, 2 failed proofs in a row$/)
  assert.ok(
    used.some((line) =>
      /^newNamesPerAccount:acc_\S+ {2}48 of 50 left \(50\/1h burst 50\); none owed from 20\S+Z$/.test(line),
    ),
    listed.out,
  )
  assert.equal((await cli(chancery, 'limits', 'clear', key)).code, 0)
  assert.equal((await cli(chancery, 'limits', 'clear', key)).code, 1)
  assert.equal((await client.newOrder(['127.0.0.1'])).status, 201)
  client.close()
})

test('KF-F22 who floods the public listener is refused with the time to come back, and the admin listener answers on', async () => {
  const chancery = await start('limits.requestsPerAddress=60/1m burst 20')
  const statuses: number[] = []
  let refused: Response | undefined
  for (let i = 0; i < 40; i++) {
    const reply = await fetch(`${chancery.urls.publicHttp}/root.pem`)
    statuses.push(reply.status)
    await reply.text()
    if (reply.status === 429) refused = reply
  }
  assert.ok(statuses.slice(0, 19).every((status) => status === 200))
  assert.equal(refused?.headers.get('content-type'), 'application/problem+json')
  assert.ok(Number(refused?.headers.get('retry-after')) >= 1)
  for (let i = 0; i < 40; i++) assert.equal((await fetch(`${chancery.urls.admin}/healthz`)).status, 200)
  const metrics = await (await fetch(`${chancery.urls.admin}/metrics`)).text()
  assert.match(metrics, /chancery_rate_limited_total\{limit="requestsPerAddress"\} \d+/)
})

test('KF-G06 a rate, a pause or a proxy that makes no sense stops the start, and says why', async () => {
  for (const [set, why] of [
    ['limits.newNamesPerAccount=many', /limits\.newNamesPerAccount: must be COUNT\/PERIOD/],
    ['limits.newNamesPerAccount=0/1h', /limits\.newNamesPerAccount: .*`off`/],
    ['limits.pauseFor=2d', /limits\.pauseFor .* must not be longer than limits\.pauseAtMost/],
    ['limits.trustedProxies=proxy.internal', /limits\.trustedProxies: proxy\.internal/],
  ] as const)
    await assert.rejects(startTestChancery({ set: [set] }), why)
})
