import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { type AcmeReply, AcmeTestClient } from '../support/acme-test-client.ts'
import { startTestChancery, type TestChancery } from '../support/chancery.ts'
import { startHttpTarget } from '../support/http-target.ts'
import { flattenedJws, generateTestKey, type TestKey } from '../support/test-keys.ts'
import { type Failure, failCommitOf, failures } from './commit-hooks.ts'

const pathOf = (url: string | undefined): string => new URL(url ?? '').pathname

/** A server that is started anew when its disk has failed, and the one client that goes on meanwhile. */
class Story {
  readonly #home: string
  readonly #settings: readonly string[]
  server!: TestChancery
  client!: AcmeTestClient
  key: TestKey = generateTestKey('ES256')
  accountPath: string | undefined

  constructor(home: string, settings: readonly string[]) {
    this.#home = home
    this.#settings = settings
  }

  async start(): Promise<void> {
    this.server = await startTestChancery({ home: this.#home, set: this.#settings })
    this.client = new AcmeTestClient({ directoryUrl: this.server.urls.directory, ca: this.server.rootPem })
    this.client.key = this.key
    this.client.accountUrl = this.accountPath === undefined ? undefined : this.server.urls.base + this.accountPath
  }

  async stop(): Promise<void> {
    this.client.close()
    await this.server.stop()
  }

  async restart(): Promise<void> {
    await this.stop()
    await this.start()
  }

  at(path: string): string {
    return this.server.urls.base + path
  }

  /**
   * Does a step whose commit fails in both ways, restarting the server after each as its operator must. The step is
   * asked again, as clients do, until it is answered.
   */
  async despite(event: string, step: () => Promise<AcmeReply>): Promise<AcmeReply> {
    for (const how of ['lost', 'landed'] as const satisfies readonly Failure[]) {
      const before = failures()
      failCommitOf(event, how)
      const reply = await step()
      // What goes on behind the answer fails there; what is the answer is refused cleanly.
      for (let left = 250; failures() === before && left > 0; left--) await new Promise((done) => setTimeout(done, 20))
      if (failures() === before && how === 'landed') return reply // the first try was taken up by itself
      assert.equal(failures(), before + 1, `${event} was not committed: ${reply.status} ${reply.text}`)
      if (reply.status >= 400) {
        assert.equal(reply.status, 503, reply.text)
        assert.match(String(reply.headers['retry-after']), /^\d+$/)
      }
      await this.restart()
    }
    return step()
  }
}

test('KF-E03 KF-E01 a commit that is lost, or lands and is reported as failed: asked again after a restart, each step ends as its first try would have', async () => {
  const home = await mkdtemp(join(tmpdir(), 'chancery-landed-'))
  const target = await startHttpTarget({ address: '127.0.0.1' })
  const story = new Story(home, [
    `validation.http01.port=${target.port}`,
    'validation.attempts=1',
    'publicHttpUrl=http://ca.test',
    'crl.rebuildWithin=1',
  ])
  try {
    await story.start()
    const registered = await story.despite('account.created', () => story.client.newAccount())
    assert.equal(registered.status, 200, 'the second try had landed: it exists')
    story.accountPath = pathOf(registered.headers.location)

    const updated = await story.despite('account.updated', () =>
      story.client.post(story.at(story.accountPath ?? ''), { contact: ['mailto:a@example.test'] }),
    )
    assert.deepEqual(updated.json.contact, ['mailto:a@example.test'])

    const next = generateTestKey('ES256')
    const changed = await story.despite('account.key-changed', async () => {
      const url = story.at('/acme/default/key-change')
      const payload = { account: story.client.accountUrl, oldKey: story.key.jwk }
      return story.client.post(url, flattenedJws({ alg: next.algorithm, jwk: next.jwk, url }, payload, { key: next }))
    })
    assert.equal(changed.status, 400, 'the second try had landed: the old key is nobody’s any more')
    story.key = next
    story.client.key = next
    assert.equal((await story.client.postAsGet(story.client.accountUrl ?? '')).json.status, 'valid')

    const placed = await story.despite('order.created', () => story.client.newOrder(['a.localhost']))
    assert.equal(placed.status, 201)
    const orderPath = pathOf(placed.headers.location)
    const authorizationPath = pathOf(placed.json.authorizations[0])
    const { challenges } = (await story.client.postAsGet(story.at(authorizationPath))).json
    const challenge = challenges.find((one: { type: string }) => one.type === 'http-01')
    const respond = () => story.client.post(story.at(pathOf(challenge.url)), {})
    // Not yet provable, so that the answer alone is looked at.
    target.handle((_request, response) => void setTimeout(() => response.destroy(), 3_000))
    assert.equal((await story.despite('challenge.responded', respond)).status, 200)
    target.handle(undefined)
    target.provision(challenge.token, story.client.keyAuthorization(challenge.token))
    await story.restart()
    const proved = await story.client.poll(story.at(authorizationPath))
    assert.equal(proved.json.status, 'valid', proved.text)

    const csr = story.client.csr(['a.localhost']).base64url
    const finalize = () => story.client.post(story.at(`${orderPath}/finalize`), { csr })
    const claimed = await story.despite('certificate.intended', finalize)
    assert.equal(claimed.status, 200, claimed.text)
    const issued = await story.client.poll(story.at(orderPath))
    assert.equal(issued.json.status, 'valid', issued.text)

    const second = await story.client.newOrder(['a.localhost'])
    const secondPath = pathOf(second.headers.location)
    assert.equal(second.json.status, 'ready')
    const csr2 = story.client.csr(['a.localhost']).base64url
    const answered = await story.despite('certificate.issued', () =>
      story.client.post(story.at(`${secondPath}/finalize`), { csr: csr2 }),
    )
    assert.equal(answered.status, 200, answered.text)
    const ended = await story.client.poll(story.at(secondPath))
    assert.equal(ended.json.status, 'valid', ended.text)

    const { text } = await story.client.postAsGet(story.at(pathOf(ended.json.certificate)))
    const leaf = new X509Certificate(text)
    const revoke = () =>
      story.client.post(story.at('/acme/default/revoke-cert'), {
        certificate: leaf.raw.toString('base64url'),
        reason: 4,
      })
    const revoked = await story.despite('certificate.revoked', revoke)
    assert.equal(revoked.json.type, 'urn:ietf:params:acme:error:alreadyRevoked', revoked.text)

    const deactivated = await story.despite('account.deactivated', () =>
      story.client.post(story.client.accountUrl ?? '', { status: 'deactivated' }),
    )
    assert.equal(deactivated.status, 401, 'the second try had landed')
  } finally {
    await story.stop()
    await target.close()
  }
  checkStore(join(home, 'chancery.db'))
  await rm(home, { recursive: true, force: true })
})

/** One account and, for each order that was finalized, one certificate; nothing was begun that did not end. */
function checkStore(path: string): void {
  const database = new DatabaseSync(path, { readOnly: true })
  const count = (sql: string): number => Number(database.prepare(`SELECT COUNT(*) AS n FROM ${sql}`).get()?.['n'])
  assert.equal(count('accounts'), 1)
  assert.equal(count('certificates WHERE order_id IS NOT NULL'), 2)
  assert.equal(count('certificates WHERE order_id IS NOT NULL AND issued_at IS NOT NULL'), 2)
  assert.equal(count('certificates WHERE issued_at IS NULL AND abandoned_at IS NULL'), 0)
  assert.equal(count("audit_events WHERE event = 'certificate.issued' AND order_id IS NOT NULL"), 2)
  assert.equal(count('certificates WHERE revoked_at IS NOT NULL'), 1)
  assert.equal(count('orders WHERE processing_at IS NOT NULL AND certificate_serial IS NULL'), 0)
  assert.equal(database.prepare('PRAGMA integrity_check').get()?.['integrity_check'], 'ok')
  database.close()
}
