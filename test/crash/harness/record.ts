import { appendFileSync } from 'node:fs'
import type { TestKey } from '../../support/test-keys.ts'

/** What a client was told of an account, by answers that came whole. Paths, because ports change from life to life. */
export interface KnownAccount {
  readonly directory: string
  readonly path: string
  key: TestKey
  /** The external account key that was spent for it. */
  readonly eabKeyId?: string
  isDeactivated?: true
  /** A request to deactivate it, or one that needs it ended, got no answer yet: both states are right. */
  isUncertain?: true
}

export type OrderStatus = 'pending' | 'ready' | 'processing' | 'valid' | 'invalid'

export interface KnownOrder {
  readonly account: KnownAccount
  readonly path: string
  readonly names: readonly string[]
  status: OrderStatus
  /** The client did what makes an order invalid: a wrong proof, an authorization or account given up. */
  mayFail?: true
  /** A finalize was sent, so that the order must come to an end. */
  isFinalized?: true
  certificate?: KnownCertificate
}

export interface KnownCertificate {
  readonly order: KnownOrder
  readonly path: string
  readonly pem: string
  readonly der: Buffer
  /** Lower-case hex. */
  readonly serial: string
  /** The reason that was acknowledged. */
  revokedFor?: number
}

/** An authorization that was seen valid. */
export interface KnownProof {
  readonly account: KnownAccount
  readonly path: string
}

export interface Violation {
  /** Which promise was broken; one of the names in `docs/durability.md`. */
  readonly promise: string
  readonly detail: string
  readonly life: number
}

/** The statuses that an order may have after it was seen in one of them. */
const MAY_FOLLOW: Readonly<Record<OrderStatus, readonly OrderStatus[]>> = {
  pending: ['pending', 'ready', 'processing', 'valid', 'invalid'],
  ready: ['ready', 'processing', 'valid', 'invalid'],
  processing: ['processing', 'valid', 'invalid'],
  valid: ['valid'],
  invalid: ['invalid'],
}

/**
 * The outside record: everything that the server acknowledged, kept by another process than the one that is killed.
 * Written to a file line by line as well, for whoever has to find out what happened.
 */
export class OutsideRecord {
  readonly accounts: KnownAccount[] = []
  readonly orders: KnownOrder[] = []
  readonly proofs: KnownProof[] = []
  readonly certificates = new Map<string, KnownCertificate>()
  readonly revoked: KnownCertificate[] = []
  readonly spentEabKeys: { readonly id: string; readonly macKey: Buffer; readonly account: KnownAccount }[] = []
  /** Nonces of requests that were accepted: never again. */
  readonly nonces: string[] = []
  readonly crls = new Map<bigint, Buffer>()
  /** What the newest list that was seen says. */
  listed: ReadonlyMap<string, number> = new Map()
  readonly violations: Violation[] = []
  /** Requests that got no answer, or were told to come again. */
  unanswered = 0
  busy = 0
  life = 0
  readonly #file: string | undefined
  readonly #told = new Set<string>()
  #nonceCount = 0
  #newestCrl = -1n
  readonly #newestCrlOf = new Map<string, bigint>()

  constructor(file?: string) {
    this.#file = file
  }

  violation(promise: string, detail: string): void {
    // References differ from answer to answer; what is broken is told once.
    const told = `${promise} ${detail.replaceAll(/req_[\w-]+/g, '')}`
    if (this.#told.has(told)) return
    this.#told.add(told)
    this.violations.push({ promise, detail, life: this.life })
    this.#write('violation', { promise, detail })
  }

  account(account: KnownAccount, macKey?: Buffer): KnownAccount {
    this.accounts.push(account)
    if (account.eabKeyId !== undefined && macKey !== undefined)
      this.spentEabKeys.push({ id: account.eabKeyId, macKey, account })
    this.#write('account', { path: account.path, eabKeyId: account.eabKeyId })
    return account
  }

  keyChanged(account: KnownAccount, key: TestKey): void {
    account.key = key
    this.#write('key-changed', { path: account.path, thumbprint: key.thumbprint })
  }

  deactivated(account: KnownAccount): void {
    account.isDeactivated = true
    this.#write('deactivated', { path: account.path })
  }

  order(order: KnownOrder): KnownOrder {
    this.orders.push(order)
    this.#write('order', { path: order.path, status: order.status, names: order.names })
    return order
  }

  proof(proof: KnownProof): void {
    this.proofs.push(proof)
    this.#write('proof', { path: proof.path })
  }

  /** Takes note of a status that was answered; it must not go back (RFC 8555 §7.1.6). */
  sawOrder(order: KnownOrder, status: unknown): void {
    const next = status as OrderStatus
    if (!MAY_FOLLOW[order.status].includes(next)) {
      this.violation('order-state', `${order.path} was ${order.status} and is ${String(status)}`)
      return
    }
    const mayFail = order.mayFail || order.account.isDeactivated || order.account.isUncertain
    if (next === 'invalid' && order.status !== 'invalid' && !mayFail)
      this.violation('order-ends', `${order.path} (${order.names}) became invalid, though nothing was wrong with it`)
    if (next === order.status) return
    order.status = next
    this.#write('order-status', { path: order.path, status: next })
  }

  certificate(certificate: KnownCertificate): void {
    const { order, serial } = certificate
    const known = this.certificates.get(serial)
    if (known !== undefined && !known.der.equals(certificate.der))
      this.violation('serial-once', `two certificates with the serial ${serial} were handed out`)
    if (order.certificate !== undefined && order.certificate.serial !== serial)
      this.violation('one-certificate', `${order.path} has ${order.certificate.serial} and ${serial}`)
    if (known !== undefined) return
    this.certificates.set(serial, certificate)
    order.certificate = certificate
    this.#write('certificate', { serial, order: order.path, der: certificate.der.toString('base64') })
  }

  revocation(certificate: KnownCertificate, reason: number): void {
    if (certificate.revokedFor === undefined) this.revoked.push(certificate)
    certificate.revokedFor = reason
    this.#write('revoked', { serial: certificate.serial, reason })
  }

  /** Keeps the newest thousands; older ones are thrown away by the server too when they expire. */
  nonce(nonce: string): void {
    const place = this.#nonceCount++ % 5000
    this.nonces[place] = nonce
  }

  /**
   * Numbers rise strictly, and what was on a list stays on it as long as these certificates live.
   *
   * @param from who served it: one of several servers may still have an older list in memory
   */
  crl(number: bigint, der: Buffer, entries: ReadonlyMap<string, number>, from: string): void {
    const same = this.crls.get(number)
    if (same !== undefined && !same.equals(der)) this.violation('crl-number', `two lists have the number ${number}`)
    const before = this.#newestCrlOf.get(from) ?? -1n
    if (number < before) this.violation('crl-number', `list ${number} was served after list ${before}`)
    this.#newestCrlOf.set(from, number)
    if (number <= this.#newestCrl) return
    this.#newestCrl = number
    for (const [serial, reason] of this.listed)
      if (entries.get(serial) !== reason)
        this.violation('revocation', `${serial} (${reason}) is ${entries.get(serial) ?? 'missing'} on list ${number}`)
    this.crls.set(number, der)
    this.listed = entries
    this.#write('crl', { number: String(number), entries: entries.size })
  }

  /** How many of each kind. */
  tally(): Record<string, number> {
    const { accounts, orders } = this
    return {
      accounts: accounts.length,
      'accounts deactivated': accounts.filter(({ isDeactivated }) => isDeactivated).length,
      'external account keys spent': this.spentEabKeys.length,
      orders: orders.length,
      'orders failed as they must': orders.filter(({ status }) => status === 'invalid').length,
      certificates: this.certificates.size,
      revocations: this.revoked.length,
      'CRLs seen': this.crls.size,
      'requests accepted': this.#nonceCount,
      'requests without an answer': this.unanswered,
      'requests told to come again': this.busy,
    }
  }

  #write(what: string, facts: Readonly<Record<string, unknown>>): void {
    if (this.#file === undefined) return
    const line = { life: this.life, at: new Date().toISOString(), what, ...facts }
    appendFileSync(this.#file, `${JSON.stringify(line)}\n`)
  }
}
