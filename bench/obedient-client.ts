import { setTimeout as sleep } from 'node:timers/promises'
import { type AcmeReply, AcmeTestClient } from '../test/support/acme-test-client.ts'
import type { TestKey } from '../test/support/test-keys.ts'
import type { Responder } from './load.ts'

/** What the clients of one run saw, shared by all of them. */
export class Witness {
  /** Time of each signed POST that was answered with anything but 503, in milliseconds. */
  readonly acceptedMs: number[] = []
  /** Time of each answer 503. */
  readonly refusedMs: number[] = []
  /** What 503 told to wait, in seconds. */
  readonly retryAfter: number[] = []
  /** 503 by the last segment of the path: `new-order` and so on. */
  readonly refusedAt = new Map<string, number>()
  /** 503 without `Retry-After`, resets, anything else that is no clean answer. */
  readonly unclean: string[] = []
  readonly errors: string[] = []
  issued = 0
}

/**
 * A client as RFC 8555 wants it: waits as long as `Retry-After` says, polls no faster than told, and tries again what
 * was refused with 503.
 */
export class ObedientClient {
  readonly #client: AcmeTestClient
  readonly #witness: Witness

  constructor(
    directoryUrl: string,
    witness: Witness,
    own: { readonly key?: TestKey; readonly localAddress?: string } = {},
  ) {
    this.#client = new AcmeTestClient({ directoryUrl, insecure: true, ...own })
    this.#witness = witness
  }

  async register(): Promise<void> {
    const { newAccount } = await this.#client.directory()
    const reply = await this.#send(newAccount!, { termsOfServiceAgreed: true }, { kid: null })
    if (reply.status !== 200 && reply.status !== 201) throw new Error(`newAccount ${reply.status} ${reply.text}`)
    this.#client.accountUrl = reply.headers.location
  }

  /** The same account in a process of its own: new connections, no nonces, and an own network address if one is given. */
  again(
    directoryUrl: string,
    { witness = this.#witness, localAddress }: { readonly witness?: Witness; readonly localAddress?: string } = {},
  ): ObedientClient {
    const { key } = this.#client
    const other = new ObedientClient(directoryUrl, witness, { key, ...(localAddress && { localAddress }) })
    other.#client.accountUrl = this.#client.accountUrl
    return other
  }

  /** Opens the connection and reads the directory, as every client does first. */
  async arrive(): Promise<void> {
    await this.#client.directory()
  }

  /**
   * A complete issuance; resolves with the certificate when it is here.
   *
   * @param how whether to go away for good when the order itself is refused with 503; then undefined
   */
  async issue(
    address: string,
    certificateKey: TestKey,
    responder: Responder,
    how: { readonly leaveWhenRefused?: true } = {},
  ): Promise<string | undefined> {
    const client = this.#client
    const { newOrder } = await client.directory()
    const order = await this.#send(newOrder!, { identifiers: [{ type: 'ip', value: address }] }, how)
    if (order.status === 503 && how.leaveWhenRefused) return undefined
    if (order.status !== 201) throw new Error(`newOrder ${order.status} ${order.text}`)
    for (const url of order.json.authorizations as string[]) {
      const authorization = await this.#send(url, '')
      if (authorization.json?.status === 'valid') continue
      const challenge = authorization.json.challenges.find((c: { type: string }) => c.type === 'http-01')
      responder.publish(challenge.token, client.keyAuthorization(challenge.token))
      await this.#send(challenge.url, {})
      const ended = await this.#poll(url)
      responder.withdraw(challenge.token)
      if (ended.json?.status !== 'valid') throw new Error(`authorization ${ended.text}`)
    }
    const csr = client.csr([address], { key: certificateKey }).base64url
    let finalized = await this.#send(order.json.finalize, { csr })
    if (finalized.json?.status === 'processing') finalized = await this.#poll(order.headers.location!)
    if (finalized.json?.status !== 'valid') throw new Error(`finalize ${finalized.status} ${finalized.text}`)
    const certificate = await this.#send(finalized.json.certificate, '')
    if (!certificate.text.startsWith('-----BEGIN CERTIFICATE-----')) throw new Error(`certificate ${certificate.text}`)
    this.#witness.issued++
    return certificate.text
  }

  /** An order whose challenge is answered although nothing proves it, or not answered at all; never finished. */
  async hopeless(address: string, kind: 'silent' | 'failing'): Promise<void> {
    const { newOrder } = await this.#client.directory()
    const order = await this.#send(newOrder!, { identifiers: [{ type: 'ip', value: address }] })
    if (order.status !== 201) throw new Error(`newOrder ${order.status} ${order.text}`)
    const authorization = await this.#send(order.json.authorizations[0], '')
    if (kind === 'silent') return
    const challenge = authorization.json.challenges.find((c: { type: string }) => c.type === 'http-01')
    if (challenge !== undefined) await this.#send(challenge.url, {})
  }

  close(): void {
    this.#client.close()
  }

  async #poll(url: string): Promise<AcmeReply> {
    for (;;) {
      const reply = await this.#send(url, '')
      if (reply.status !== 200 || !['pending', 'processing'].includes(reply.json?.status)) return reply
      await sleep(Number(reply.headers['retry-after'] ?? 1) * 1000)
    }
  }

  async #send(
    url: string,
    payload: unknown,
    how: { readonly kid?: null; readonly leaveWhenRefused?: true } = {},
  ): Promise<AcmeReply> {
    for (;;) {
      // Signed and with a nonce before the watch is started.
      const body = await this.#client.sign(url, payload, how.kid === null ? { kid: null } : {})
      const begun = performance.now()
      const reply = await this.#client.post(url, payload, { body })
      const tookMs = performance.now() - begun
      if (reply.status !== 503) {
        this.#witness.acceptedMs.push(tookMs)
        return reply
      }
      const seconds = this.#note(url, reply, tookMs)
      if (how.leaveWhenRefused) return reply
      await sleep(seconds * 1000)
    }
  }

  /** @returns how long to wait, in seconds */
  #note(url: string, reply: AcmeReply, tookMs: number): number {
    const witness = this.#witness
    const seconds = Number(reply.headers['retry-after'])
    const where = /\/(new-[a-z]+|finalize)$/.exec(url)?.[1] ?? 'other'
    witness.refusedMs.push(tookMs)
    witness.refusedAt.set(where, (witness.refusedAt.get(where) ?? 0) + 1)
    witness.retryAfter.push(seconds)
    const isClean = seconds >= 1 && reply.headers['replay-nonce'] !== undefined && reply.json?.status === 503
    if (!isClean) witness.unclean.push(`${where} ${reply.text.slice(0, 200)}`)
    return Number.isFinite(seconds) ? seconds : 1
  }
}
