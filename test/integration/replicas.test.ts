import assert from 'node:assert/strict'
import { get } from 'node:http'
import { after, before, describe, test } from 'node:test'
import { parseCertList } from '../../src/x509/crl-reader.ts'
import type { AcmeTestClient } from '../support/acme-test-client.ts'
import { runChancery } from '../support/chancery.ts'
import { type HttpTarget, startHttpTarget } from '../support/http-target.ts'
import { collect, type Issued, issueOnce, proveOrder } from '../support/issue-once.ts'
import { missingPostgres, type PostgresServer, startPostgres } from '../support/postgres-server.ts'
import { type Replicas, startReplicas } from '../support/replicas.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import { generateTestKey } from '../support/test-keys.ts'

/** Clocks this far apart are promised to work (docs/postgresql.md). */
const CLOCK_BOUND_MS = 20_000
const RACES = 12

function fetchBytes(url: string): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    get(url, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('end', () => resolve(Buffer.concat(chunks)))
    }).on('error', reject)
  })
}

async function within<T>(ms: number, what: string, look: () => Promise<T | undefined>): Promise<T> {
  const until = performance.now() + ms
  for (;;) {
    const found = await look()
    if (found !== undefined) return found
    if (performance.now() > until) throw new Error(`${what} did not happen within ${ms} ms`)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

describe('several servers on one PostgreSQL', { skip: missingPostgres() ?? false }, () => {
  const seeded = new SeededRandom('replicas')
  const random = (): number => seeded.bytes(4).readUInt32BE() / 2 ** 32
  let server: PostgresServer
  let target: HttpTarget
  let replicas: Replicas
  before(async () => {
    ;[server, target] = await Promise.all([startPostgres(), startHttpTarget({ address: '127.0.0.1' })])
    replicas = await startReplicas(3, {
      server,
      target,
      random,
      // The second is behind, the third ahead.
      offsetsMs: [0, -CLOCK_BOUND_MS / 2, CLOCK_BOUND_MS / 2],
      set: ['crl.rebuildWithin=2', 'directories.bound.externalAccount=required'],
    })
  })
  after(async () => {
    await replicas?.close()
    await target?.close()
    await server?.stop()
  })

  const registered = async (): Promise<AcmeTestClient> => {
    const client = replicas.client()
    assert.equal((await client.newAccount()).status, 201)
    return client
  }

  /** The same account and key, bound to one replica. */
  const boundTo = (client: AcmeTestClient, only: number): AcmeTestClient => {
    const bound = replicas.client({ only, key: client.key })
    bound.accountUrl = client.accountUrl
    return bound
  }

  test('whole flows whose every request goes to a replica at random end with a certificate', async () => {
    const serials = new Set<string>()
    const clients = await Promise.all(Array.from({ length: 4 }, registered))
    await Promise.all(
      clients.map(async (client, index) => {
        for (let round = 0; round < 3; round++) {
          const { serial } = await issueOnce(client, target, `c${index}r${round}.localhost`)
          serials.add(serial)
        }
      }),
    )
    assert.equal(serials.size, 12)
  })

  test('KF-B06 a nonce from one replica is good at another, once, also when shown to all at once', async () => {
    const client = await registered()
    const bound = [0, 1, 2].map((only) => boundTo(client, only))
    for (let race = 0; race < RACES; race++) {
      const nonce = await bound[race % 3]?.newNonce()
      const answers = await Promise.all(bound.map((one) => one.post(client.accountUrl ?? '', {}, { nonce })))
      const statuses = answers.map(({ status }) => status).sort()
      assert.deepEqual(statuses, [200, 400, 400], answers.map(({ text }) => text).join('\n'))
      for (const { status, json } of answers)
        if (status === 400) assert.equal(json.type, 'urn:ietf:params:acme:error:badNonce')
    }
  })

  test('KF-E04 a finalize sent to all replicas at once makes one certificate, and all tell of the same', async () => {
    const client = await registered()
    const bound = [0, 1, 2].map((only) => boundTo(client, only))
    for (let race = 0; race < 4; race++) {
      const name = `race${race}.localhost`
      const order = await client.newOrder([name])
      await proveOrder(client, target, order.json.authorizations)
      const { base64url } = client.csr([name])
      const answers = await Promise.all(bound.map((one) => one.post(order.json.finalize, { csr: base64url })))
      for (const { status, text } of answers) assert.ok(status === 200 || status === 403, text)
      assert.ok(answers.some(({ status }) => status === 200))
      const seen = await Promise.all(bound.map((one) => collect(one, order.headers.location ?? '')))
      assert.equal(new Set(seen.map(({ serial }) => serial)).size, 1)
      const orderId = (order.headers.location ?? '').split('/').at(-1)
      const stored = await server.sql(
        replicas.database,
        `SELECT count(*) FROM certificates WHERE order_id = '${orderId}'`,
      )
      assert.equal(stored, '1', 'one serial was taken for the order')
    }
  })

  test('KF-B14 an external account key used at all replicas at once makes one account', async () => {
    const home = replicas.all[0]?.home ?? ''
    const url = `store.url=${server.url(replicas.database)}`
    const bound = ['--set', url, '--set', 'directories.bound.externalAccount=required']
    for (let race = 0; race < 3; race++) {
      const made = await runChancery(['eab', 'create', '--directory', 'bound', ...bound], { home })
      assert.equal(made.code, 0, made.stderr)
      const kid = /Key id:\s+(\S+)/.exec(made.stdout)?.[1] ?? ''
      const mac = Buffer.from(/MAC key:\s+(\S+)/.exec(made.stdout)?.[1] ?? '', 'base64url')
      const answers = await Promise.all(
        [0, 1, 2].map(async (only) => {
          const client = replicas.client({ only, directoryUrl: 'https://localhost:44443/acme/bound/directory' })
          const externalAccountBinding = await client.externalAccountBinding(kid, mac)
          return client.newAccount({ termsOfServiceAgreed: true, externalAccountBinding })
        }),
      )
      assert.equal(answers.filter(({ status }) => status === 201).length, 1, answers.map(({ text }) => text).join('\n'))
    }
  })

  test('KF-B24 an account deactivated at one replica is refused at all others at once, and so is a replaced key', async () => {
    for (let round = 0; round < 6; round++) {
      const client = await registered()
      const bound = [0, 1, 2].map((only) => boundTo(client, only))
      const [first, ...others] = [0, 1, 2].map((index) => bound[(index + round) % 3] as AcmeTestClient)
      // Every replica has seen the account work.
      for (const one of bound) assert.equal((await one.post(client.accountUrl ?? '', {})).status, 200)
      const oldKey = client.key
      const newKey = generateTestKey('ES256')
      assert.equal((await first?.keyChange(newKey))?.status, 200)
      for (const one of others) {
        const stale = await one.post(client.accountUrl ?? '', {}, { key: oldKey })
        assert.ok(stale.status === 401 || stale.status === 403 || stale.status === 400, stale.text)
        one.key = newKey
        assert.equal((await one.post(client.accountUrl ?? '', {})).status, 200)
      }
      assert.equal((await first?.post(client.accountUrl ?? '', { status: 'deactivated' }))?.status, 200)
      for (const one of bound) {
        const refused = await one.newOrder(['gone.localhost'])
        assert.equal(refused.status, 401, refused.text)
      }
    }
  })

  test('KF-D05 KF-D13 revocations at all replicas are on every replica’s CRL; each list was built once, numbers rise', async () => {
    const client = await registered()
    const issued: Issued[] = []
    for (let index = 0; index < 6; index++) issued.push(await issueOnce(client, target, `rev${index}.localhost`))
    const { revokeCert } = await client.directory()
    for (const [index, { certificate }] of issued.entries()) {
      const one = boundTo(client, index % 3)
      const revoked = await one.post(revokeCert ?? '', { certificate: certificate.raw.toString('base64url') })
      assert.equal(revoked.status, 200, revoked.text)
    }
    const [first] = issued
    assert.ok(first)
    const crlPath = pathOfCrl(first.certificate.raw)
    for (const { urls } of replicas.all) {
      const missing = await within(20_000, 'all serials on the CRL', async () => {
        const list = parseCertList(await fetchBytes(`${urls.publicHttp}${crlPath}`))
        const listed = new Set([...list.entries()].map(({ serial }) => serial))
        return issued.every(({ serial }) => listed.has(serial)) ? [] : undefined
      })
      assert.deepEqual(missing, [])
    }
    const rows = await server.sql(
      replicas.database,
      "SELECT data::json->>'number' FROM audit_events WHERE event = 'crl.published' ORDER BY id",
    )
    const numbers = rows.split('\n').map(BigInt)
    for (const [index, number] of numbers.entries())
      if (index > 0) assert.ok(number > (numbers[index - 1] ?? 0n), `CRL numbers ${numbers.join(', ')}`)
    const built = await Promise.all([0, 1, 2].map((index) => replicas.metric(index, 'chancery_crl_builds_total')))
    assert.equal(
      built.reduce((sum, count) => sum + count, 0),
      numbers.length,
      'a list was built, and signed, for nothing',
    )
  })

  test('KF-E07 KF-E13 a challenge answered at a replica that is killed then is validated by another', async () => {
    const client = await registered()
    const name = 'orphan.localhost'
    const victim = await replicas.add()
    const index = replicas.all.length - 1
    const order = await client.newOrder([name])
    const authorizationUrl: string = order.json.authorizations[0]
    const authorization = await client.postAsGet(authorizationUrl)
    const challenge = authorization.json.challenges.find((one: { type: string }) => one.type === 'http-01')
    // The victim's proof hangs until it is dead; whoever asks then gets the answer.
    const hung = new Promise<void>((resolve) => target.handle(() => resolve()))
    const answered = await boundTo(client, index).post(challenge.url, {})
    assert.equal(answered.status, 200, answered.text)
    await hung
    await victim.stop('SIGKILL')
    target.handle(undefined)
    assert.equal((await client.postAsGet(authorizationUrl)).json.status, 'pending')
    target.provision(challenge.token, client.keyAuthorization(challenge.token))
    // 15 seconds pass for one of the others, whose clock was right: the lease of the dead is over.
    process.kill(replicas.all[0]?.pid ?? 0, 'SIGUSR2')
    const proved = await client.poll(authorizationUrl, { tries: 400, pauseMs: 50 })
    assert.equal(proved.json.status, 'valid', proved.text)
    const events = await server.sql(
      replicas.database,
      "SELECT count(*) FROM audit_events WHERE event = 'validation.succeeded' AND data LIKE '%orphan.localhost%'",
    )
    assert.equal(events, '1')
  })
})

/** The path of the CRL distribution point, as the bytes of the certificate tell it. */
function pathOfCrl(der: Buffer): string {
  const path = /http:\/\/localhost:44480(\/[\x21-\x7e]*?\.crl)/.exec(der.toString('latin1'))?.[1]
  assert.ok(path)
  return path
}
