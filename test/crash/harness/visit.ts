import { X509Certificate } from 'node:crypto'
import type { AcmeReply } from '../../support/acme-test-client.ts'
import type { HttpTarget } from '../../support/http-target.ts'
import { buildTestCsr } from '../../support/test-csr.ts'
import { flattenedJws, generateTestKey, type TestKey } from '../../support/test-keys.ts'
import type { Choices } from './choices.ts'
import { type Gate, RunOver } from './gate.ts'
import { PatientClient, pathOf, pause, type Sent } from './patient-client.ts'
import type { KnownAccount, KnownCertificate, KnownOrder, OutsideRecord } from './record.ts'

export interface EabKey {
  readonly id: string
  readonly macKey: Buffer
}

export interface VisitParts {
  readonly gate: Gate
  readonly record: OutsideRecord
  readonly target: HttpTarget
  readonly choices: Choices
  /** Part of every name, so that no two visits ask for the same one. */
  readonly label: string
  /** Takes an external account key that nobody used yet. */
  readonly takeEabKey: () => EabKey | undefined
  /** True when no new things shall be begun. */
  readonly isClosing: () => boolean
}

/** An answer that ends a story; it is in the record as a violation. */
class WrongAnswer extends Error {}

/** Looks at an order or authorization this often: at first, and once it is clear that a crash holds it up. */
const POLL_MS = 25
const SLOW_POLL_MS = 400
const QUICK_POLLS = 40
/** Every order ends: leases of a dead process last 30 s, and what else a crash left is taken up a minute later. */
const LONGEST_WAIT_MS = 200_000
const REASONS = [0, 1, 3, 4, 5] as const

/**
 * One ACME client from its account to whatever it does last, across as many lives of the server as that takes. What is
 * acknowledged goes into the record at once; what gets no answer is asked again, and must end as the first try would.
 */
export class Visit {
  readonly #parts: VisitParts
  readonly #record: OutsideRecord
  readonly #choices: Choices
  #client: PatientClient
  #account!: KnownAccount
  #names = 0
  readonly #proved: string[] = []
  /** Called when the visit waits for what a crash left, so that others can go on meanwhile. */
  onStuck: () => void = () => undefined

  constructor(parts: VisitParts) {
    this.#parts = parts
    this.#record = parts.record
    this.#choices = parts.choices
    this.#client = this.#clientOf('default', generateTestKey('ES256'))
  }

  async run(): Promise<void> {
    try {
      await this.#register()
      for (let left = this.#choices.int(1, 3); left > 0 && !this.#parts.isClosing(); left--) {
        await this.#order()
        if (this.#choices.chance(10)) await this.#updateContact()
        if (this.#choices.chance(12)) await this.#changeKey()
      }
      if (this.#choices.chance(12)) await this.#deactivate()
    } catch (error) {
      if (error instanceof RunOver || error instanceof WrongAnswer) return
      this.#record.violation('clean-answers', `${this.#parts.label}: ${(error as Error).stack ?? String(error)}`)
    } finally {
      this.#client.close()
    }
  }

  #clientOf(directory: string, key: TestKey): PatientClient {
    const { gate, record } = this.#parts
    return new PatientClient({ gate, record, directory, key })
  }

  get #base(): string {
    return `/acme/${this.#client.directory}`
  }

  #expect(reply: AcmeReply, statuses: readonly number[], what: string): void {
    if (statuses.includes(reply.status)) return
    this.#record.violation('clean-answers', `${this.#parts.label} ${what}: ${reply.status} ${reply.text}`)
    throw new WrongAnswer(what)
  }

  async #register(): Promise<void> {
    const eab = this.#choices.chance(25) ? this.#parts.takeEabKey() : undefined
    if (eab !== undefined) this.#client = this.#clientOf('bound', this.#client.key)
    const { key } = this.#client
    const path = `${this.#base}/new-account`
    const { reply, unanswered } = await this.#client.post(
      path,
      (_: unknown, base: string) => ({
        termsOfServiceAgreed: true,
        ...(eab === undefined ? {} : { externalAccountBinding: bindingOf(eab, key, base + path) }),
      }),
      { kid: null, jwk: key.jwk },
    )
    // Asked again, the account may be there already, and its external account key spent on it.
    this.#expect(reply, unanswered > 0 ? [200, 201] : [201], 'newAccount')
    const accountPath = pathOf(reply.headers.location)
    const { directory } = this.#client
    this.#account = this.#record.account(
      { directory, path: accountPath, key, ...(eab === undefined ? {} : { eabKeyId: eab.id }) },
      eab?.macKey,
    )
    this.#client.accountPath = accountPath
  }

  async #order(): Promise<void> {
    const kind = this.#choices.weighted({ normal: 78, hopeless: 8, 'given-up': 7, ignored: 7 })
    const isRenewal = kind === 'normal' && this.#proved.length > 0 && this.#choices.chance(50)
    const fresh = (): string => `v${this.#names++}.${this.#parts.label}.localhost`
    const names = isRenewal
      ? [this.#choices.pick(this.#proved)]
      : [fresh(), ...(this.#choices.chance(20) ? [fresh()] : [])]
    const { reply } = await this.#client.post(`${this.#base}/new-order`, {
      identifiers: names.map((value) => ({ type: 'dns', value })),
    })
    this.#expect(reply, [201], 'newOrder')
    const order = this.#record.order({
      account: this.#account,
      path: pathOf(reply.headers.location),
      names,
      status: reply.json.status,
      ...(kind === 'normal' || kind === 'ignored' ? {} : { mayFail: true as const }),
    })
    if (isRenewal && order.status !== 'ready')
      this.#record.violation('proofs', `${names} were proved before, and an order for them is ${order.status}`)
    if (kind === 'ignored') return
    const authorizations = (reply.json.authorizations as string[]).map(pathOf)
    if (kind === 'given-up') return this.#giveUp(order, authorizations[0] ?? '')
    for (const authorization of authorizations) await this.#prove(authorization, kind === 'hopeless')
    await this.#pollOrder(order, ['pending'])
    if (kind === 'hopeless') {
      if (order.status !== 'invalid')
        this.#record.violation('order-ends', `${order.path} was disproved: ${order.status}`)
      return
    }
    if (order.status !== 'ready') return
    this.#proved.push(...names)
    await this.#finalize(order)
  }

  async #giveUp(order: KnownOrder, authorization: string): Promise<void> {
    const { reply } = await this.#client.post(authorization, { status: 'deactivated' })
    this.#expect(reply, [200], 'deactivate authorization')
    await this.#pollOrder(order, ['pending'])
    if (order.status !== 'invalid') this.#record.violation('order-ends', `${order.path} was given up: ${order.status}`)
  }

  async #prove(path: string, wrongly: boolean): Promise<void> {
    const authorization = await this.#client.postAsGet(path)
    this.#expect(authorization.reply, [200], 'authorization')
    if (authorization.reply.json.status === 'valid') return
    const challenge = authorization.reply.json.challenges.find((one: { type: string }) => one.type === 'http-01')
    const text = wrongly ? 'nothing of the kind' : `${challenge.token}.${this.#client.key.thumbprint}`
    this.#parts.target.provision(challenge.token, text)
    const responded = await this.#client.post(pathOf(challenge.url), {})
    // Asked again after the proof has failed, there is nothing left to respond to.
    this.#expect(responded.reply, responded.unanswered > 0 && wrongly ? [200, 400] : [200], 'challenge')
    const ended = await this.#poll(path, ['pending'])
    this.#parts.target.withdraw(challenge.token)
    const wanted = wrongly ? 'invalid' : 'valid'
    if (ended.reply.json.status !== wanted) {
      this.#record.violation('proofs', `${path} should be ${wanted}: ${ended.reply.text}`)
      throw new WrongAnswer('authorization')
    }
    if (!wrongly) this.#record.proof({ account: this.#account, path })
  }

  async #finalize(order: KnownOrder): Promise<void> {
    const key = generateTestKey('ES256')
    const csr = buildTestCsr(order.names, key).toString('base64url')
    order.isFinalized = true
    const send = (): Promise<Sent> => this.#client.post(`${order.path}/finalize`, { csr })
    // Impatient clients send it twice; that must not make two certificates (KF-E04).
    const sent = await Promise.all(this.#choices.chance(15) ? [send(), send()] : [send()])
    for (const { reply } of sent) this.#expect(reply, [200], 'finalize')
    const statuses = sent.map(({ reply }) => reply.json.status)
    this.#record.sawOrder(order, statuses.includes('valid') ? 'valid' : statuses[0])
    const ended = await this.#pollOrder(order, ['ready', 'processing'])
    if (order.status !== 'valid') return
    await this.#download(order, pathOf(ended.reply.json.certificate), key)
  }

  async #download(order: KnownOrder, path: string, key: TestKey): Promise<void> {
    const { reply } = await this.#client.postAsGet(path)
    this.#expect(reply, [200], 'certificate')
    const leaf = new X509Certificate(reply.text)
    const isRight = leaf.publicKey.equals(key.publicKey) && order.names.every((name) => leaf.checkHost(name))
    if (!isRight) this.#record.violation('one-certificate', `${path} is not what ${order.path} asked for`)
    const certificate: KnownCertificate = {
      order,
      path,
      pem: reply.text,
      der: leaf.raw,
      serial: path.slice(path.lastIndexOf('/') + 1),
    }
    this.#record.certificate(certificate)
    if (this.#choices.chance(25)) await this.#revoke(certificate)
  }

  async #revoke(certificate: KnownCertificate): Promise<void> {
    const reason = this.#choices.pick(REASONS)
    const { reply, unanswered } = await this.#client.post(`${this.#base}/revoke-cert`, {
      certificate: certificate.der.toString('base64url'),
      reason,
    })
    const isDone = unanswered > 0 && reply.json?.type === 'urn:ietf:params:acme:error:alreadyRevoked'
    if (!isDone) this.#expect(reply, [200], 'revokeCert')
    this.#record.revocation(certificate, reason)
  }

  async #updateContact(): Promise<void> {
    const contact = [`mailto:n${this.#choices.int(0, 99)}@example.test`]
    const { reply } = await this.#client.post(this.#account.path, { contact })
    this.#expect(reply, [200], 'update account')
    const read = await this.#client.postAsGet(this.#account.path)
    if (read.reply.json?.contact?.[0] !== contact[0])
      this.#record.violation('accounts', `${this.#account.path} lost its contact ${contact}: ${read.reply.text}`)
  }

  async #changeKey(): Promise<void> {
    const old = this.#client.key
    const key = generateTestKey('ES256')
    const path = `${this.#base}/key-change`
    this.#account.isUncertain = true
    const { reply, unanswered } = await this.#client.post(path, (_: unknown, base: string) => {
      const payload = { account: base + this.#account.path, oldKey: old.jwk }
      return flattenedJws({ alg: key.algorithm, jwk: key.jwk, url: base + path }, payload, { key })
    })
    // Asked again after it was done, the old key is nobody's any more.
    if (!(unanswered > 0 && reply.status >= 400)) this.#expect(reply, [200], 'keyChange')
    this.#client.key = key
    const read = await this.#client.postAsGet(this.#account.path)
    this.#expect(read.reply, [200], 'account under its new key')
    this.#record.keyChanged(this.#account, key)
    delete this.#account.isUncertain
  }

  async #deactivate(): Promise<void> {
    this.#account.isUncertain = true
    const { reply, unanswered } = await this.#client.post(this.#account.path, { status: 'deactivated' })
    this.#expect(reply, unanswered > 0 ? [200, 401] : [200], 'deactivate account')
    this.#record.deactivated(this.#account)
    delete this.#account.isUncertain
  }

  /** Reads an order until it is in none of these states, and takes note of every status on the way. */
  #pollOrder(order: KnownOrder, until: readonly string[]): Promise<Sent> {
    return this.#poll(order.path, until, (status) => this.#record.sawOrder(order, status))
  }

  async #poll(
    path: string,
    while_: readonly string[],
    see: (status: unknown) => void = () => undefined,
  ): Promise<Sent> {
    const begun = performance.now()
    for (let polls = 0; ; polls++) {
      const sent = await this.#client.postAsGet(path)
      this.#expect(sent.reply, [200], `read ${path}`)
      const status = sent.reply.json?.status
      see(status)
      if (!while_.includes(status)) return sent
      if (performance.now() - begun > LONGEST_WAIT_MS) {
        this.#record.violation('order-ends', `${path} has been ${status} for ${LONGEST_WAIT_MS / 1000} s`)
        throw new WrongAnswer('never ends')
      }
      if (polls === QUICK_POLLS) this.onStuck()
      await pause(polls < QUICK_POLLS ? POLL_MS : SLOW_POLL_MS)
    }
  }
}

/** RFC 8555 §7.3.4 */
export function bindingOf(eab: EabKey, key: TestKey, url: string) {
  return flattenedJws({ alg: 'HS256', kid: eab.id, url }, key.jwk, { mac: eab.macKey, hash: 'sha256' })
}
