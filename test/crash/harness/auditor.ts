import { generateTestKey } from '../../support/test-keys.ts'
import type { Choices } from './choices.ts'
import { type Gate, RunOver } from './gate.ts'
import { isBadNonce, PatientClient, pathOf, pause } from './patient-client.ts'
import type { KnownAccount, KnownCertificate, KnownOrder, KnownProof, OutsideRecord } from './record.ts'
import { bindingOf } from './visit.ts'

/** A look at one acknowledged thing. */
type Look = () => Promise<void>

/** Between two looks, so that clients get most of the server. */
const PAUSE_MS = 10
/** Looks at the same time in the last sweep over everything. */
const SWEEPERS = 8

/** A stranger who asks the server again and again for what others were told. */
export class Auditor {
  readonly #gate: Gate
  readonly #record: OutsideRecord
  readonly #choices: Choices
  readonly #own: PatientClient
  looks = 0

  constructor(parts: { gate: Gate; record: OutsideRecord; choices: Choices }) {
    this.#gate = parts.gate
    this.#record = parts.record
    this.#choices = parts.choices
    this.#own = new PatientClient({ ...parts, directory: 'default', key: generateTestKey('ES256') })
  }

  /** Looks at what is new first, then at what is old, until told to end. */
  async run(isOver: () => boolean): Promise<void> {
    let seen = { accounts: 0, orders: 0, certificates: 0 }
    try {
      while (!isOver()) {
        const { accounts, orders } = this.#record
        const certificates = [...this.#record.certificates.values()]
        // What was acknowledged since the last round, which was mostly before the last kill.
        const fresh = [
          ...accounts.slice(seen.accounts).map((one) => () => this.#lookAtAccount(one)),
          ...orders.slice(seen.orders).map((one) => () => this.#lookAtOrder(one)),
          ...certificates.slice(seen.certificates).map((one) => () => this.#lookAtCertificate(one)),
        ]
        seen = { accounts: accounts.length, orders: orders.length, certificates: certificates.length }
        const looks = [...this.#choices.sample(fresh, 30), ...this.#some()]
        for (const look of looks) {
          if (isOver()) return
          await look()
          this.looks++
          await pause(PAUSE_MS)
        }
        if (looks.length === 0) await pause(100)
      }
    } catch (error) {
      if (error instanceof RunOver) return
      this.#record.violation('clean-answers', `auditor: ${(error as Error).stack ?? String(error)}`)
    }
  }

  /** Looks at everything, once, when nothing changes any more. */
  async sweep(): Promise<void> {
    const { accounts, orders, proofs, certificates, spentEabKeys, nonces, revoked } = this.#record
    const looks: Look[] = [
      ...accounts.map((one) => () => this.#lookAtAccount(one)),
      ...proofs.map((one) => () => this.#lookAtProof(one)),
      ...orders.map((one) => () => this.#lookAtOrder(one)),
      ...[...certificates.values()].map((one) => () => this.#lookAtCertificate(one)),
      ...spentEabKeys.map((one) => () => this.#tryEabKey(one)),
      ...this.#choices.sample(nonces, 500).map((nonce) => () => this.#tryNonce(nonce)),
      ...this.#choices.sample(revoked, 500).map((one) => () => this.#tryToRevoke(one)),
    ]
    const worker = async (): Promise<void> => {
      for (let look = looks.pop(); look !== undefined; look = looks.pop()) {
        await look()
        this.looks++
      }
    }
    await Promise.all(Array.from({ length: SWEEPERS }, worker))
  }

  close(): void {
    this.#own.close()
  }

  #some(): Look[] {
    const { accounts, orders, proofs, certificates, spentEabKeys, nonces, revoked } = this.#record
    const { sample } = { sample: this.#choices.sample.bind(this.#choices) }
    return [
      ...sample(nonces, 2).map((nonce) => () => this.#tryNonce(nonce)),
      ...sample(spentEabKeys, 1).map((one) => () => this.#tryEabKey(one)),
      ...sample(revoked, 1).map((one) => () => this.#tryToRevoke(one)),
      ...sample(accounts, 1).map((one) => () => this.#lookAtAccount(one)),
      ...sample(orders, 2).map((one) => () => this.#lookAtOrder(one)),
      ...sample(proofs, 1).map((one) => () => this.#lookAtProof(one)),
      ...sample([...certificates.values()], 2).map((one) => () => this.#lookAtCertificate(one)),
    ]
  }

  #as(account: KnownAccount): PatientClient {
    const { directory, key } = account
    const client = new PatientClient({ gate: this.#gate, record: this.#record, directory, key })
    client.accountPath = account.path
    return client
  }

  async #lookAtAccount(account: KnownAccount): Promise<void> {
    const key = account.key
    const client = this.#as(account)
    try {
      const { reply } = await client.post(
        `/acme/${account.directory}/new-account`,
        { onlyReturnExisting: true },
        { kid: null, jwk: key.jwk },
      )
      // It may have changed while we asked; then the next look tells.
      if (account.isUncertain || account.key !== key) return
      if (account.isDeactivated) {
        if (reply.status !== 401)
          this.#record.violation('accounts', `${account.path} was deactivated and is answered ${reply.status}`)
      } else if (reply.status !== 200 || pathOf(reply.headers.location) !== account.path)
        this.#record.violation('accounts', `${account.path} was lost: ${reply.status} ${reply.text}`)
    } finally {
      client.close()
    }
  }

  async #lookAtOrder(order: KnownOrder): Promise<void> {
    const { account, status: before } = order
    const { key } = account
    if (account.isDeactivated || account.isUncertain) return
    const client = this.#as(account)
    try {
      const { reply } = await client.postAsGet(order.path)
      if (account.isDeactivated || account.isUncertain || account.key !== key) return
      if (reply.status !== 200)
        this.#record.violation('orders', `${order.path} was lost: ${reply.status} ${reply.text}`)
      // Its own client may have seen a later state while our answer was on its way.
      else if (order.status === before) this.#record.sawOrder(order, reply.json.status)
      const { certificate } = order
      if (certificate !== undefined && reply.status === 200 && pathOf(reply.json.certificate) !== certificate.path)
        this.#record.violation('one-certificate', `${order.path} names another certificate: ${reply.text}`)
    } finally {
      client.close()
    }
  }

  /** Proofs live longer than any run, so what was proved is proved still. */
  async #lookAtProof({ account, path }: KnownProof): Promise<void> {
    const { key } = account
    if (account.isDeactivated || account.isUncertain) return
    const client = this.#as(account)
    try {
      const { reply } = await client.postAsGet(path)
      if (account.isDeactivated || account.isUncertain || account.key !== key) return
      if (reply.status !== 200 || reply.json.status !== 'valid')
        this.#record.violation('proofs', `${path} was proved, and is answered: ${reply.status} ${reply.text}`)
    } finally {
      client.close()
    }
  }

  async #lookAtCertificate({ path, pem, serial }: KnownCertificate): Promise<void> {
    const reply = await this.#own.get(path)
    if (reply.status !== 200 || reply.text !== pem)
      this.#record.violation('certificates', `${serial} is not served as it was: ${reply.status} ${reply.text}`)
  }

  async #tryToRevoke({ der, serial, order }: KnownCertificate): Promise<void> {
    const { account } = order
    const { key } = account
    if (account.isDeactivated || account.isUncertain) return
    const client = this.#as(account)
    try {
      const payload = { certificate: der.toString('base64url'), reason: 4 }
      const { reply } = await client.post(`/acme/${account.directory}/revoke-cert`, payload)
      if (account.isDeactivated || account.isUncertain || account.key !== key) return
      if (reply.json?.type !== 'urn:ietf:params:acme:error:alreadyRevoked')
        this.#record.violation('revocation', `${serial} was revoked, and revoking it is answered: ${reply.text}`)
    } finally {
      client.close()
    }
  }

  async #tryEabKey(eab: { readonly id: string; readonly macKey: Buffer }): Promise<void> {
    const key = generateTestKey('ES256')
    const path = '/acme/bound/new-account'
    const client = new PatientClient({ gate: this.#gate, record: this.#record, directory: 'bound', key })
    try {
      const payload = (_: unknown, base: string) => ({ externalAccountBinding: bindingOf(eab, key, base + path) })
      const { reply } = await client.post(path, payload, { kid: null, jwk: key.jwk })
      if (reply.status < 400) this.#record.violation('eab-once', `${eab.id} was spent, and opened another account`)
    } finally {
      client.close()
    }
  }

  async #tryNonce(nonce: string): Promise<void> {
    const { accountPath } = this.#own
    if (accountPath === undefined) await this.#register()
    const { reply } = await this.#own.post(this.#own.accountPath ?? '', '', { nonce })
    if (!isBadNonce(reply)) this.#record.violation('nonce-once', `a spent nonce was accepted again: ${reply.status}`)
  }

  async #register(): Promise<void> {
    const { key } = this.#own
    const { reply } = await this.#own.post('/acme/default/new-account', {}, { kid: null, jwk: key.jwk })
    this.#own.accountPath = pathOf(reply.headers.location)
    this.#record.account({ directory: 'default', path: this.#own.accountPath, key })
  }
}
