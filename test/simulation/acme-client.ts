import { createHash } from 'node:crypto'
import { buildTestCsr } from '../support/test-csr.ts'
import { flattenedJws, generateTestKey, type TestKey } from '../support/test-keys.ts'
import type { Chance } from './chance.ts'
import type { SimReply, SimRequest } from './exchange.ts'
import type { SimHost } from './internet.ts'
import { NoAnswer, type Uplink } from './uplink.ts'
import type { Witness } from './witness.ts'
import type { World } from './world.ts'

export const BASE_URL = 'https://ca.test'
const AT = `${BASE_URL}/acme/default`

export interface ClientReply {
  readonly status: number
  readonly headers: ReadonlyMap<string, string>
  readonly body: Buffer
  // biome-ignore lint/suspicious/noExplicitAny: a client reads members of whatever came
  readonly json: any
  /** Name of the problem without its URN, or undefined. */
  readonly problem: string | undefined
}

/** The server said no, and saying it again would not help. */
export class Refused extends Error {
  override readonly name = 'Refused'
  readonly reply: ClientReply
  constructor(what: string, reply: ClientReply) {
    super(`${what}: ${reply.status} ${reply.problem ?? ''} ${String(reply.json?.detail ?? '')}`)
    this.reply = reply
  }
}

/** The client has no more patience. */
export class GaveUp extends Error {
  override readonly name = 'GaveUp'
}

/** Whether a client meets this in an ordinary life, and tries again. */
export function isOrdinary(error: unknown): boolean {
  return error instanceof NoAnswer || error instanceof Refused || error instanceof GaveUp
}

export interface ClientParts {
  readonly world: World
  readonly uplink: Uplink
  readonly witness: Witness
  readonly chance: Chance
  readonly name: string
}

const BAD_NONCE_RETRIES = 8
const BUSY_RETRIES = 3
/** Seconds between two looks grow to this. */
const LONGEST_WAIT_MS = 60_000
const POLLS = 30

/** An ACME client as good ones are: keeps nonces, takes up badNonce, honours Retry-After, survives lost answers. */
export class AcmeClient {
  readonly parts: ClientParts
  key: TestKey = generateTestKey('ES256')
  kid: string | undefined
  #nonces: string[] = []
  readonly #address: string

  constructor(parts: ClientParts) {
    this.parts = parts
    const [b = 0, c = 0] = createHash('sha256').update(parts.name).digest()
    this.#address = `10.9.${b}.${c}`
  }

  /** Forgets its account. */
  begin(): void {
    this.key = generateTestKey('ES256')
    this.kid = undefined
  }

  keyAuthorization(token: string): string {
    return `${token}.${this.key.thumbprint}`
  }

  /** @throws {NoAnswer} */
  async post(url: string, payload: unknown, by: { jwk: TestKey } | 'account' = 'account'): Promise<ClientReply> {
    const key = by === 'account' ? this.key : by.jwk
    const signer = by === 'account' ? { kid: this.kid } : { jwk: key.jwk }
    let busy = 0
    for (let attempt = 0; ; attempt++) {
      const nonce = this.#nonces.pop() ?? (await this.#newNonce())
      const jws = flattenedJws({ alg: 'ES256', ...signer, nonce, url }, payload, { key })
      const reply = await this.#send({
        method: 'POST',
        target: url.slice(BASE_URL.length),
        body: Buffer.from(JSON.stringify(jws)),
      })
      if (reply.problem === 'badNonce' && attempt < BAD_NONCE_RETRIES) continue
      if ((reply.status === 503 || reply.status === 429) && ++busy <= BUSY_RETRIES) {
        await this.parts.world.sleep(retryAfterMs(reply) ?? 5_000)
        continue
      }
      return reply
    }
  }

  /** @throws {NoAnswer | Refused} */
  async mustPost(what: string, url: string, payload: unknown, by?: { jwk: TestKey } | 'account'): Promise<ClientReply> {
    const reply = await this.post(url, payload, by)
    if (reply.status >= 300) throw new Refused(what, reply)
    return reply
  }

  read(what: string, url: string): Promise<ClientReply> {
    return this.mustPost(what, url, '')
  }

  /** Registers, or finds the account of this key again. */
  async register(): Promise<void> {
    this.parts.witness.keyUsed(this.key)
    const reply = await this.mustPost(
      'newAccount',
      `${AT}/new-account`,
      { contact: ['mailto:a@corp.test'] },
      { jwk: this.key },
    )
    this.kid = reply.headers.get('location') ?? ''
    this.parts.witness.accountAcknowledged(this.kid, this.key.thumbprint)
  }

  async changeKey(): Promise<void> {
    const { witness } = this.parts
    const url = `${AT}/key-change`
    const next = generateTestKey('ES256')
    const kid = this.kid ?? ''
    witness.keyMayChange(kid, next)
    const inner = flattenedJws(
      { alg: 'ES256', jwk: next.jwk, url },
      { account: kid, oldKey: this.key.jwk },
      { key: next },
    )
    try {
      await this.mustPost('keyChange', url, inner)
    } catch (error) {
      if (!(error instanceof NoAnswer)) throw error
      // Perhaps it was done: whichever key is known to the server is the one to go on with.
      const old = this.key
      this.key = next
      if (!(await this.#isKnown())) {
        this.key = old
        return
      }
    }
    this.key = next
    witness.keyChanged(kid, next.thumbprint)
  }

  async #isKnown(): Promise<boolean> {
    for (;;) {
      try {
        const reply = await this.post(`${AT}/new-account`, { onlyReturnExisting: true }, { jwk: this.key })
        if (reply.status < 500) return reply.status === 200
      } catch (error) {
        if (!(error instanceof NoAnswer)) throw error
      }
      await this.parts.world.sleep(30_000)
    }
  }

  async deactivate(): Promise<void> {
    const kid = this.kid ?? ''
    await this.mustPost('deactivate', kid, { status: 'deactivated' })
    this.parts.witness.accountDeactivated(kid)
  }

  async newOrder(names: readonly string[]): Promise<{ url: string; order: ClientReply['json'] }> {
    const identifiers = names.map((value) => ({ type: 'dns', value }))
    const reply = await this.mustPost('newOrder', `${AT}/new-order`, { identifiers })
    const url = reply.headers.get('location') ?? ''
    this.parts.witness.orderAcknowledged(url, this.kid ?? '')
    return { url, order: reply.json }
  }

  /** Puts the proof where it is looked for, answers the challenge and waits for the outcome. @throws {Refused} */
  async prove(url: string, host: SimHost, type: 'http-01' | 'dns-01', dnsDelayMs = 0): Promise<void> {
    const { world } = this.parts
    const authorization = (await this.read('authorization', url)).json
    if (authorization.status === 'valid') return
    const challenge = (authorization.challenges as { type: string; token: string; url: string }[]).find(
      (offered) => offered.type === type,
    )
    if (challenge === undefined) throw new Error(`${url} is ${authorization.status} and offers no ${type}`)
    const keyAuthorization = this.keyAuthorization(challenge.token)
    const value = createHash('sha256').update(keyAuthorization).digest('base64url')
    if (type === 'http-01') host.answers.set(challenge.token, keyAuthorization)
    else host.txt.push({ value, thumbprint: this.key.thumbprint, visibleAtMs: world.nowMs + dnsDelayMs })
    try {
      await this.mustPost('challenge', challenge.url, {})
      const proved = await this.poll(url, (status) => status !== 'pending' && status !== 'processing')
      if (proved.json.status !== 'valid') throw new Refused(`validation of ${host.name}`, proved)
    } finally {
      host.answers.delete(challenge.token)
      host.txt = host.txt.filter((entry) => entry.value !== value)
    }
  }

  /** Reads until it is `done`, as slowly as it is asked to. */
  async poll(url: string, done: (status: string) => boolean): Promise<ClientReply> {
    for (let attempt = 0; attempt < POLLS; attempt++) {
      const reply = await this.read('poll', url)
      if (done(reply.json.status)) return reply
      const patientMs = Math.min(LONGEST_WAIT_MS, 500 * 1.3 ** attempt)
      await this.parts.world.sleep(Math.max(patientMs, retryAfterMs(reply) ?? 3_000))
    }
    throw new GaveUp(`${url} does not end`)
  }

  /** Finalizes and downloads. The same request is made again when an answer is lost. */
  async finish(orderUrl: string, names: readonly string[], key: TestKey): Promise<Certificate> {
    const csr = buildTestCsr(names, key).toString('base64url')
    for (let attempt = 0; ; attempt++) {
      try {
        const order = await this.poll(orderUrl, (status) => status !== 'pending' && status !== 'processing')
        if (order.json.status === 'invalid') throw new Refused('order', order)
        if (order.json.status === 'ready') {
          await this.mustPost('finalize', order.json.finalize, { csr })
          continue
        }
        const { body } = await this.read('certificate', order.json.certificate)
        return this.parts.witness.certificateDelivered(body, { orderUrl, names, key, kid: this.kid ?? '' })
      } catch (error) {
        if (!(error instanceof NoAnswer) || attempt >= 20) throw error
        await this.parts.world.sleep(5_000)
      }
    }
  }

  /** @returns whether it is revoked now, as far as the client can know */
  async revoke(certificate: Certificate, reason: number, by: 'account' | { jwk: TestKey } = 'account'): Promise<void> {
    const { witness } = this.parts
    witness.revocationAsked(certificate.serial)
    const reply = await this.post(
      `${AT}/revoke-cert`,
      { certificate: certificate.der.toString('base64url'), reason },
      by,
    )
    if (reply.status !== 200 && reply.problem !== 'alreadyRevoked') throw new Refused('revokeCert', reply)
    witness.revocationAcknowledged(certificate)
  }

  async #newNonce(): Promise<string> {
    const reply = await this.#send({ method: 'HEAD', target: '/acme/default/new-nonce' })
    const nonce = this.#nonces.pop()
    if (nonce === undefined) throw new Refused('newNonce', reply)
    return nonce
  }

  async #send(request: Omit<SimRequest, 'from'>): Promise<ClientReply> {
    const reply = await this.parts.uplink.request({ ...request, from: this.#address })
    const nonce = reply.headers.get('replay-nonce')
    if (nonce !== undefined) this.#nonces.push(nonce)
    if (this.#nonces.length > 5) this.#nonces.shift()
    return readReply(reply)
  }
}

export interface Certificate {
  readonly serial: string
  readonly der: Buffer
  readonly notBeforeMs: number
  readonly notAfterMs: number
}

export function readReply(reply: SimReply): ClientReply {
  const isJson = reply.headers.get('content-type')?.includes('json') === true && reply.body.length > 0
  const json = isJson ? JSON.parse(reply.body.toString()) : undefined
  const type = reply.status >= 400 ? (json?.type as string | undefined) : undefined
  return { ...reply, json, problem: type?.split(':').at(-1) }
}

function retryAfterMs(reply: ClientReply): number | undefined {
  const seconds = reply.headers.get('retry-after')
  return seconds === undefined ? undefined : Number(seconds) * 1000
}
