import assert from 'node:assert/strict'
import { createHash, X509Certificate } from 'node:crypto'
import type { Clock } from '../../src/lib/clock.ts'
import type { AcmeReply, AcmeTestClientOptions } from './acme-test-client.ts'
import { AcmeTestClient } from './acme-test-client.ts'
import type { TestChancery } from './chancery.ts'
import { startTestChancery } from './chancery.ts'
import { startFakeDns } from './fake-dns.ts'
import { startHttpTarget } from './http-target.ts'
import type { TestCsrOptions, TestIdentifier } from './test-csr.ts'
import { toIdentifier } from './test-csr.ts'
import type { TestKey } from './test-keys.ts'

/** A client that keeps every answer it got. */
export class RecordingClient extends AcmeTestClient {
  readonly replies: { readonly method: string; readonly url: string; readonly reply: AcmeReply }[] = []

  override async request(...args: Parameters<AcmeTestClient['request']>): Promise<AcmeReply> {
    const reply = await super.request(...args)
    this.replies.push({ method: args[0], url: args[1], reply })
    return reply
  }
}

/** A challenge object as a client reads it. */
export interface ShownChallenge {
  readonly type: string
  readonly url: string
  readonly token: string
  readonly status: string
}

/** An order with its authorizations as they were read once. */
export interface Placed {
  readonly url: string
  readonly names: readonly { readonly type: string; readonly value: string }[]
  readonly authorizations: readonly {
    readonly url: string
    readonly status: string
    readonly identifier: { readonly type: string; readonly value: string }
    readonly wildcard?: boolean
    readonly challenges: readonly ShownChallenge[]
  }[]
  readonly finalize: string
  readonly reply: AcmeReply
}

export interface JourneyOptions {
  readonly set?: readonly string[]
  readonly home?: string
  readonly clock?: Clock
}

/** Chancery in this process, over real HTTPS, with a web server and a resolver for the proofs. */
export async function startJourney(options: JourneyOptions = {}) {
  const [target, dns] = await Promise.all([startHttpTarget({ address: '127.0.0.1' }), startFakeDns()])
  const clients: AcmeTestClient[] = []
  /** TXT values stay side by side, as those of a name and its wildcard must. */
  const txt = new Map<string, string[]>()
  let chancery: TestChancery
  try {
    chancery = await startTestChancery({
      ...options,
      set: [
        `validation.http01.port=${target.port}`,
        `validation.dns.resolvers=["${dns.resolver}"]`,
        'validation.attempts=1',
        'validation.retryAfter=1',
        ...(options.set ?? []),
      ],
    })
  } catch (error) {
    await Promise.all([target.close(), dns.close()])
    throw error
  }
  return {
    chancery,
    target,
    dns,

    /** A client without an account. */
    client(changed: Partial<AcmeTestClientOptions> & { directory?: string } = {}): RecordingClient {
      const { directory = 'default', ...rest } = changed
      const directoryUrl = `${chancery.urls.base}/acme/${directory}/directory`
      const client = new RecordingClient({ directoryUrl, ca: chancery.rootPem, ...rest })
      clients.push(client)
      return client
    },

    async registered(
      changed: Partial<AcmeTestClientOptions> & { directory?: string } = {},
      payload: Readonly<Record<string, unknown>> = {},
    ): Promise<RecordingClient> {
      const client = this.client(changed)
      const reply = await client.newAccount(payload)
      assert.equal(reply.status, 201, reply.text)
      return client
    },

    async place(
      client: AcmeTestClient,
      names: readonly TestIdentifier[],
      extra: Readonly<Record<string, unknown>> = {},
    ): Promise<Placed> {
      const reply = await client.newOrder(names, extra)
      assert.equal(reply.status, 201, reply.text)
      const authorizations: Placed['authorizations'][number][] = []
      for (const url of reply.json.authorizations) authorizations.push({ ...(await client.postAsGet(url)).json, url })
      return {
        url: reply.headers.location ?? '',
        names: names.map(toIdentifier),
        authorizations,
        finalize: reply.json.finalize,
        reply,
      }
    },

    /** Puts the answer to a challenge where the validation looks for it; hosts resolve to the web server. */
    provision(
      client: AcmeTestClient,
      authorization: Placed['authorizations'][number],
      type = 'http-01',
    ): ShownChallenge {
      const challenge = challengeOf(authorization, type)
      const keyAuthorization = client.keyAuthorization(challenge.token)
      const { value } = authorization.identifier
      if (type === 'http-01') {
        dns.set(value, 'A', '127.0.0.1')
        target.provision(challenge.token, keyAuthorization)
      } else {
        const record = `_acme-challenge.${value}`
        const values = txt.get(record) ?? []
        values.push(createHash('sha256').update(keyAuthorization).digest('base64url'))
        txt.set(record, values)
        dns.set(record, 'TXT', ...values)
      }
      return challenge
    },

    /** Proves everything an order still needs, wildcards by dns-01. */
    async prove(client: AcmeTestClient, placed: Placed): Promise<void> {
      for (const authorization of placed.authorizations) {
        if (authorization.status === 'valid') continue
        const challenge = this.provision(client, authorization, authorization.wildcard ? 'dns-01' : 'http-01')
        assert.equal((await client.post(challenge.url, {})).status, 200)
        const proved = await client.poll(authorization.url)
        assert.equal(proved.json.status, 'valid', proved.text)
      }
    },

    async ready(
      client: AcmeTestClient,
      names: readonly TestIdentifier[],
      extra: Readonly<Record<string, unknown>> = {},
    ) {
      const placed = await this.place(client, names, extra)
      await this.prove(client, placed)
      return placed
    },

    /** A certificate from newOrder to download. */
    async issue(
      client: AcmeTestClient,
      names: readonly TestIdentifier[],
      options: TestCsrOptions & { key?: TestKey; extra?: Readonly<Record<string, unknown>> } = {},
    ) {
      const placed = await this.ready(client, names, options.extra)
      const csr = client.csr(names, options)
      const finalized = await client.post(placed.finalize, { csr: csr.base64url })
      assert.equal(finalized.status, 200, finalized.text)
      const done = finalized.json.status === 'valid' ? finalized : await client.poll(placed.url)
      const certificateUrl: string = done.json.certificate
      const chain = await client.postAsGet(certificateUrl)
      assert.equal(chain.status, 200, chain.text)
      const leaf = new X509Certificate(chain.text)
      return { placed, finalized, certificateUrl, chain, leaf, key: csr.key, csr: csr.base64url }
    },

    async close(): Promise<void> {
      for (const client of clients) client.close()
      await chancery.stop()
      await Promise.all([target.close(), dns.close()])
    },
  }
}

export type Journey = Awaited<ReturnType<typeof startJourney>>

export function challengeOf(authorization: Placed['authorizations'][number], type = 'http-01'): ShownChallenge {
  const found = authorization.challenges.find((challenge) => challenge.type === type)
  if (found === undefined) throw new Error(`no ${type} for ${authorization.identifier.value}`)
  return found
}

/** Every value of a header, one a line, as they came. */
export function headerLines(reply: AcmeReply, name: string): string[] {
  return reply.rawHeaders.filter((_, i) => i % 2 === 1 && reply.rawHeaders[i - 1]?.toLowerCase() === name.toLowerCase())
}

/** What a refusal must be, so that the client can tell its user and go on (CQ-T11, CQ-N03). @returns its detail */
export function assertRefused(reply: AcmeReply, status: number, type: string): string {
  assert.equal(reply.status, status, reply.text)
  assert.deepEqual(headerLines(reply, 'content-type'), ['application/problem+json'])
  assert.equal(reply.json.type, `urn:ietf:params:acme:error:${type}`, reply.text)
  assert.equal(reply.json.status, status)
  assert.ok(reply.json.detail.length > 10)
  assert.equal(headerLines(reply, 'replay-nonce').length, 1)
  return reply.json.detail
}
