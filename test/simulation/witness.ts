import { createHash, X509Certificate } from 'node:crypto'
import { SWEEP_BATCH } from '../../src/app/retention.ts'
import type { CrlRecord } from '../../src/store/records.ts'
import { parseCertificate, parseTbsCertificate } from '../../src/x509/certificate.ts'
import { parseCertList } from '../../src/x509/crl-reader.ts'
import { verifySignature } from '../../src/x509/signature.ts'
import type { TestKey } from '../support/test-keys.ts'
import { type Certificate, readReply } from './acme-client.ts'
import type { Authority } from './authority.ts'
import { DecisionWitness } from './decision-witness.ts'
import type { SimDisk } from './disk.ts'
import type { SimReply, SimRequest } from './exchange.ts'
import type { World } from './world.ts'

/** What the witness may rely on; in milliseconds. */
export interface Promises {
  readonly validAuthorizationMs: number
  readonly orderLifetimeMs: number
  readonly resumeLimitMs: number
  readonly rebuildWithinMs: number
  readonly finalOrdersMs: number
  readonly expiredCertificatesMs: number
  readonly unusedAccountsMs: number
  readonly auditMs: number
  readonly decisionsMs: number
  /** Whether policy has a rule that asks how often a name is certified. */
  readonly countsNames: boolean
}

interface KnownAccount {
  readonly id: string
  createdMs: number
  thumbprint: string
  /** A key change was asked for, and its outcome is not known. */
  isChanging: boolean
  readonly thumbprints: Set<string>
  isDeactivated: boolean
  hasOrders: boolean
}

interface Newest {
  readonly atMs: number
  readonly id: number
}

const SLACK_MS = 180_000
const MINUTE_MS = 60_000
const HOUR_MS = 3_600_000

/**
 * The outside record. It knows what was acknowledged to clients, what the key signed and what hosts have proved, and
 * nothing of what the server believes; and it holds both against what is committed and what is published.
 */
export class Witness {
  readonly #world: World
  readonly #disk: SimDisk
  readonly #authority: Authority
  readonly #promises: Promises
  readonly #accounts = new Map<string, KnownAccount>()
  readonly #orders = new Map<string, { readonly ackedMs: number }>()
  readonly #certificates = new Map<string, { readonly sha256: string; readonly notAfterMs: number }>()
  readonly #signed = new Map<string, string>()
  readonly #proofs = new Map<string, number>()
  /** From asking on a certificate may be on the list; from the acknowledgement on it must be. */
  readonly #askedRevocations = new Set<string>()
  readonly #revoked = new Map<string, { readonly ackedMs: number; readonly notAfterMs: number; isListed: boolean }>()
  readonly #spentNonces = new Map<string, number>()
  readonly #compromised = new Set<string>()
  readonly #decisions: DecisionWitness
  /** What was the newest row of a table when. */
  readonly #newest = { audit_events: [] as Newest[], decisions: [] as Newest[] }
  #lastCrlNumber = -1n
  /** Since when the server has been running on a machine, disk and network without any fault. */
  calmSinceMs: number | undefined
  /** The clock of the machine is wrong by more than a minute. */
  get isClockWrong(): boolean {
    return this.#clockWrongSinceMs !== undefined
  }
  #clockWrongSinceMs: number | undefined
  /** What was dated wrongly may still be going on until then. */
  #aftermathUntilMs = Number.NEGATIVE_INFINITY
  readonly counts = {
    answers: 0,
    certificates: 0,
    revocations: 0,
    crls: 0,
    proofs: 0,
    checks: 0,
    accounts: 0,
    orders: 0,
    refusals: 0,
  }

  constructor(parts: { world: World; disk: SimDisk; authority: Authority; promises: Promises }) {
    this.#world = parts.world
    this.#disk = parts.disk
    this.#authority = parts.authority
    this.#promises = parts.promises
    this.#decisions = new DecisionWitness({
      ...parts,
      check: (rule, holds, detail) => this.#check(rule, holds, detail),
      counts: this.counts,
      countsNames: parts.promises.countsNames,
    })
  }

  /** How long everything has been well, in milliseconds; 0 while it is not. */
  get calmMs(): number {
    return this.calmSinceMs === undefined ? 0 : this.#world.nowMs - this.calmSinceMs
  }

  #check(rule: string, holds: boolean, detail: () => string): void {
    this.counts.checks++
    this.#world.check(rule, holds, detail)
  }

  clockWentWrong(): void {
    this.#clockWrongSinceMs = this.#world.nowMs
  }

  /** Orders that ended meanwhile have a wrong end, and are deleted by it; so are accounts made meanwhile and never used. */
  clockIsRight(): void {
    const sinceMs = (this.#clockWrongSinceMs ?? 0) - this.#promises.orderLifetimeMs
    for (const [id, { ackedMs }] of this.#orders) if (ackedMs > sinceMs) this.#orders.delete(id)
    for (const account of this.#accounts.values())
      if (account.createdMs > sinceMs) account.createdMs = Number.NEGATIVE_INFINITY
    this.#decisions.clockIsRight(this.#clockWrongSinceMs ?? 0)
    this.#clockWrongSinceMs = undefined
    this.#aftermathUntilMs = this.#world.nowMs + this.#promises.resumeLimitMs + 5 * MINUTE_MS
  }

  // What the network saw

  proofServed(name: string, thumbprint: string, type: string): void {
    this.counts.proofs++
    this.#proofs.set(`${type === 'dns-01' ? 'dns' : 'http'} ${thumbprint} ${name}`, this.#world.nowMs)
  }

  answered(request: SimRequest, reply: SimReply): void {
    this.counts.answers++
    const { problem, json } = readReply(reply)
    const endpoint = request.target.split('/').slice(3, 4).join('')
    this.#world.trace('answer', request.method, endpoint, reply.status, problem ?? json?.status ?? '-')
    this.#decisions.answered(reply.status, reply)
    if (reply.status >= 500) {
      this.#check(
        'no-failure',
        this.calmMs < MINUTE_MS,
        () => `${request.target} was answered ${reply.status} ${reply.body}`,
      )
    }
    if (request.body === undefined || reply.status >= 300) return
    const jws = JSON.parse(request.body.toString()) as { protected: string }
    const { nonce } = JSON.parse(Buffer.from(jws.protected, 'base64url').toString()) as { nonce: string }
    this.#check('nonce-once', !this.#spentNonces.has(nonce), () => `${request.target} was done twice with one nonce`)
    this.#spentNonces.set(nonce, this.#world.nowMs)
  }

  errorLogged(event: string, detail: string): void {
    this.#world.trace('error', event)
    this.#check(
      'no-failure',
      this.calmMs < MINUTE_MS,
      () => `the server logged ${event} when nothing was wrong: ${detail}`,
    )
  }

  // What clients were told

  keyUsed(key: TestKey): void {
    this.#check('blocked-key', !this.#compromised.has(key.thumbprint), () => 'a compromised key is used by a client')
  }

  accountAcknowledged(url: string, thumbprint: string): void {
    const id = idOf(url)
    const known = this.#accounts.get(id)
    if (known !== undefined) {
      this.#check(
        'account',
        known.thumbprint === thumbprint,
        () => `account ${id} is found by another key than its own`,
      )
      return
    }
    this.counts.accounts++
    this.#accounts.set(id, {
      id,
      createdMs: this.#world.nowMs,
      thumbprint,
      isChanging: false,
      thumbprints: new Set([thumbprint]),
      isDeactivated: false,
      hasOrders: false,
    })
  }

  keyMayChange(url: string, next: TestKey): void {
    const account = this.#account(url)
    account.isChanging = true
    account.thumbprints.add(next.thumbprint)
  }

  keyChanged(url: string, thumbprint: string): void {
    const account = this.#account(url)
    account.isChanging = false
    account.thumbprint = thumbprint
  }

  accountDeactivated(url: string): void {
    this.#account(url).isDeactivated = true
  }

  #account(url: string): KnownAccount {
    const account = this.#accounts.get(idOf(url))
    if (account === undefined) throw new Error(`${url} was never acknowledged`)
    return account
  }

  orderAcknowledged(url: string, kid: string): void {
    this.counts.orders++
    this.#account(kid).hasOrders = true
    this.#orders.set(idOf(url), { ackedMs: this.#world.nowMs })
  }

  /** @returns the certificate, read and verified with eyes that are not the server's */
  certificateDelivered(
    pem: Buffer,
    wanted: { orderUrl: string; names: readonly string[]; key: TestKey; kid: string },
  ): Certificate {
    const leaf = new X509Certificate(pem)
    const der = leaf.raw
    const { serialHex, notBefore, notAfter } = parseCertificate(der)
    const sha256 = sha256Of(der)
    const known = this.#certificates.get(serialHex)
    this.#check(
      'one-serial',
      known === undefined || known.sha256 === sha256,
      () => `two certificates have the serial ${serialHex}`,
    )
    const names = (leaf.subjectAltName ?? '').split(', ').map((name) => name.replace(/^DNS:/, ''))
    this.#check(
      'names',
      [...names].sort().join() === [...wanted.names].sort().join(),
      () => `${serialHex} holds ${names}, wanted ${wanted.names}`,
    )
    this.#check('key', leaf.publicKey.equals(wanted.key.publicKey), () => `${serialHex} is for another key`)
    this.#check(
      'signature',
      leaf.verify(this.#authority.public.certificate.publicKey.key),
      () => `${serialHex} is not signed by the CA`,
    )
    if (known === undefined) {
      this.counts.certificates++
      this.#world.trace('delivered', serialHex, names.length)
    }
    const account = this.#accounts.get(idOf(wanted.kid))
    this.#check(
      'ended-account',
      account?.isDeactivated !== true,
      () => `${serialHex} was delivered to a deactivated account`,
    )
    this.#check(
      'blocked-key',
      !this.#compromised.has(wanted.key.thumbprint),
      () => `${serialHex} holds a key that was reported as compromised`,
    )
    this.#certificates.set(serialHex, { sha256, notAfterMs: notAfter.getTime() })
    return { serial: serialHex, der, notBeforeMs: notBefore.getTime(), notAfterMs: notAfter.getTime() }
  }

  revocationAsked(serial: string): void {
    this.#askedRevocations.add(serial)
  }

  revocationAcknowledged({ serial, notAfterMs }: Certificate): void {
    if (this.#revoked.has(serial)) return
    this.counts.revocations++
    this.#world.trace('revoked', serial)
    this.#revoked.set(serial, { ackedMs: this.#world.nowMs, notAfterMs, isListed: false })
  }

  keyCompromised(key: TestKey): void {
    this.#compromised.add(key.thumbprint)
  }

  // What the key was asked to sign

  signing(message: Uint8Array): void {
    const tbs = Buffer.from(message)
    let parsed: ReturnType<typeof parseTbsCertificate>
    try {
      parsed = parseTbsCertificate(tbs)
    } catch {
      return // a CRL; judged when it is published
    }
    const { serialHex } = parsed
    const sha256 = sha256Of(tbs)
    const before = this.#signed.get(serialHex)
    this.#world.trace('sign', serialHex, before === undefined ? 'first' : 'again')
    this.#check(
      'one-serial',
      before === undefined || before === sha256,
      () => `serial ${serialHex} was signed with other bytes before`,
    )
    this.#signed.set(serialHex, sha256)
    const [row] = this.#disk.outside<{
      tbs_der: Uint8Array
      order_id: string | null
      account_id: string | null
      spki_sha256: string
      reserved_at: number
    }>('SELECT tbs_der, order_id, account_id, spki_sha256, reserved_at FROM certificates WHERE serial = ?', serialHex)
    this.#check(
      'known-to-store',
      row !== undefined && tbs.equals(row.tbs_der),
      () => `${serialHex} is signed, and the store does not hold its bytes`,
    )
    if (row === undefined) return
    const names = parsed.subjectAltNames.map((name) => (name.type === 'dns' ? name.value : '(other)'))
    const isDoubtful = this.isClockWrong || this.#world.nowMs < this.#aftermathUntilMs
    this.#decisions.signing({
      serial: serialHex,
      names,
      orderId: row.order_id,
      accountId: row.account_id,
      spkiSha256: row.spki_sha256,
      reservedAt: row.reserved_at,
      isDoubtful,
    })
    if (row.account_id === null) return
    const account = this.#accounts.get(row.account_id)
    this.#check('policy', names.every(isAllowed), () => `${serialHex} is for ${names}, which policy does not allow`)
    // The newest account may be one whose acknowledgement was lost; then its proofs are not looked for by its key.
    if (account === undefined || isDoubtful) return
    const oldest = this.#world.nowMs - this.#promises.validAuthorizationMs - this.#promises.resumeLimitMs - SLACK_MS
    for (const name of names) {
      this.#check(
        'proof',
        this.#isProved(account, name, oldest),
        () => `${serialHex} is for ${name}, which account ${account.id} has not proved in time`,
      )
    }
  }

  #isProved(account: KnownAccount, name: string, oldestMs: number): boolean {
    const isWildcard = name.startsWith('*.')
    const host = isWildcard ? name.slice(2) : name
    for (const thumbprint of account.thumbprints) {
      const byDns = this.#proofs.get(`dns ${thumbprint} ${host}`) ?? 0
      const byHttp = isWildcard ? 0 : (this.#proofs.get(`http ${thumbprint} ${host}`) ?? 0)
      if (Math.max(byDns, byHttp) >= oldestMs) return true
    }
    return false
  }

  // What is published

  crlSeen(crl: CrlRecord | undefined): void {
    this.#check('crl-valid', crl !== undefined, () => 'a running server has no CRL')
    if (crl === undefined) return
    const now = this.#world.nowMs
    const list = parseCertList(crl.crlDer)
    if (list.number !== this.#lastCrlNumber) {
      this.counts.crls++
      this.#check(
        'crl-number',
        list.number > this.#lastCrlNumber,
        () => `CRL number ${list.number} follows ${this.#lastCrlNumber}`,
      )
      this.#check(
        'signature',
        verifySignature(list, this.#authority.public.certificate.publicKey),
        () => 'the CRL is not signed by the CA',
      )
      this.#lastCrlNumber = list.number
    }
    if (!this.isClockWrong)
      this.#check(
        'crl-valid',
        list.nextUpdate.getTime() > now || this.calmMs < 5 * MINUTE_MS,
        () => `the CRL ended at ${list.nextUpdate.toISOString()}`,
      )
    const listed = new Set<string>()
    for (const { serial } of list.entries()) listed.add(serial)
    for (const serial of listed) {
      this.#check(
        'crl-entries',
        this.#askedRevocations.has(serial),
        () => `${serial} is on the CRL, and nobody revoked it`,
      )
    }
    const slack = this.#promises.rebuildWithinMs + 30_000
    for (const [serial, revoked] of this.#revoked) {
      if (listed.has(serial)) {
        revoked.isListed = true
        continue
      }
      const mustStay = revoked.isListed && now < revoked.notAfterMs && this.calmMs > slack
      const isLate = now - revoked.ackedMs > slack && this.calmMs > slack && now < revoked.notAfterMs
      this.#check(
        'revoked-listed',
        !mustStay && !isLate,
        () => `${serial}, revoked at ${iso(revoked.ackedMs)}, is not on CRL ${list.number}`,
      )
      if (now > revoked.notAfterMs + this.#promises.expiredCertificatesMs) this.#revoked.delete(serial)
    }
  }

  // What is committed

  /** Everything acknowledged is there, as it was acknowledged, for as long as it is to be kept. */
  checkDurable(): void {
    const now = this.#world.nowMs
    const { finalOrdersMs, expiredCertificatesMs } = this.#promises
    for (const account of this.#accounts.values()) {
      const [row] = this.#disk.outside<{ thumbprint: string; deactivated_at: number | null }>(
        'SELECT thumbprint, deactivated_at FROM accounts WHERE id = ?',
        account.id,
      )
      const isKept = account.hasOrders || now - account.createdMs < this.#promises.unusedAccountsMs - SLACK_MS
      this.#check('nothing-lost', row !== undefined || !isKept, () => `account ${account.id} is gone`)
      if (row === undefined) continue
      const isKey = account.isChanging ? account.thumbprints.has(row.thumbprint) : row.thumbprint === account.thumbprint
      this.#check('nothing-lost', isKey, () => `account ${account.id} has another key than it was told`)
      this.#check(
        'nothing-lost',
        !account.isDeactivated || row.deactivated_at !== null,
        () => `account ${account.id} was deactivated, and is not`,
      )
    }
    for (const [id, { ackedMs }] of this.#orders) {
      // An order ends at the earliest when it was acknowledged.
      if (now > ackedMs + finalOrdersMs - SLACK_MS) {
        this.#orders.delete(id)
        continue
      }
      const found = this.#disk.outside('SELECT 1 FROM orders WHERE id = ?', id).length === 1
      this.#check('nothing-lost', found, () => `order ${id}, acknowledged at ${iso(ackedMs)}, is gone`)
    }
    for (const [serial, { sha256, notAfterMs }] of this.#certificates) {
      if (now > notAfterMs + expiredCertificatesMs - SLACK_MS) {
        this.#certificates.delete(serial)
        continue
      }
      const [row] = this.#disk.outside<{ certificate_der: Uint8Array | null; revoked_at: number | null }>(
        'SELECT certificate_der, revoked_at FROM certificates WHERE serial = ?',
        serial,
      )
      const isSame = row?.certificate_der != null && sha256Of(row.certificate_der) === sha256
      this.#check('nothing-lost', isSame, () => `certificate ${serial} was delivered and is not in the store`)
      const isRevoked = !this.#revoked.has(serial) || row?.revoked_at != null
      this.#check('nothing-lost', isRevoked, () => `certificate ${serial} was revoked, and is not`)
    }
    for (const [nonce, atMs] of this.#spentNonces) {
      if (now - atMs < 2 * 86_400_000) break
      this.#spentNonces.delete(nonce)
    }
    this.#decisions.checkKept()
  }

  /** Everything comes to its end: orders, jobs, and the stay of what is over. Only asked for when all has been well for a while. */
  checkEndings(): void {
    const now = this.#world.nowMs
    if (this.calmMs < 2 * HOUR_MS || now < this.#aftermathUntilMs) return
    const { resumeLimitMs, finalOrdersMs, expiredCertificatesMs, auditMs, decisionsMs } = this.#promises
    const none = (rule: string, what: string, sql: string, ...params: number[]): void => {
      const [row] = this.#disk.outside<{ count: number }>(`SELECT COUNT(*) AS count FROM ${sql}`, ...params)
      const first = (): string => this.#disk.describe(`SELECT * FROM ${sql} LIMIT 1`, ...params)
      this.#check(rule, row?.count === 0, () => `${row?.count} ${what}, one of them ${first()}`)
    }
    none(
      'orders-end',
      'orders have been processing for too long',
      'orders WHERE processing_at < ? AND certificate_serial IS NULL AND failed_at IS NULL',
      now - resumeLimitMs - 5 * MINUTE_MS,
    )
    none(
      'orders-end',
      'reservations are still open',
      'certificates WHERE reserved_at < ? AND issued_at IS NULL AND abandoned_at IS NULL',
      now - resumeLimitMs - 5 * MINUTE_MS,
    )
    none('jobs-end', 'validation jobs are overdue', 'validation_jobs WHERE started_at < ?', now - HOUR_MS)
    const late = 45 * MINUTE_MS
    none('retention', 'orders are kept too long', 'orders WHERE ends_at < ?', now - finalOrdersMs - late)
    for (const [table, end] of ENDING_BY_THEMSELVES)
      none('retention', `rows of ${table} are kept too long`, `${table} WHERE ${end} < ?`, now - late)
    // By what was the newest event then: one that a clock behind has dated goes when those before it go.
    for (const [table, keptMs] of [
      ['audit_events', auditMs],
      ['decisions', decisionsMs],
    ] as const) {
      const [newest] = this.#disk.outside<{ id: number | null }>(`SELECT MAX(id) AS id FROM ${table}`)
      this.#newest[table].push({ atMs: now, id: newest?.id ?? 0 })
      const overdue = this.#newest[table].filter(({ atMs }) => atMs < now - keptMs - late)
      this.#newest[table].splice(0, Math.max(0, overdue.length - 1))
      const ended = [overdue.at(-1)?.id ?? 0, now - keptMs - late]
      // A sweep looks at the oldest few; where a clock that was ahead has dated as many, it sees none behind them until their date.
      const isSeen = `(SELECT COUNT(*) FROM (
        SELECT 1 FROM ${table} AS front WHERE front.id < ${table}.id AND front.at > ? LIMIT ${SWEEP_BATCH})) < ${SWEEP_BATCH}`
      none(
        'retention',
        `rows of ${table} are kept too long`,
        `${table} WHERE id <= ? AND at < ? AND ${isSeen}`,
        ...ended,
        now - keptMs,
      )
    }
    none(
      'retention',
      'certificates are kept too long',
      'certificates WHERE not_after < ? AND revoked_at IS NULL',
      now - expiredCertificatesMs - late,
    )
    none(
      'retention',
      'revoked certificates are kept too long',
      'certificates WHERE not_after < ?',
      now - expiredCertificatesMs - 3 * 86_400_000,
    )
    none(
      'retention',
      'authorizations are kept too long',
      'authorizations WHERE expires_at < ? AND NOT EXISTS (SELECT 1 FROM order_authorizations h WHERE h.authorization_id = authorizations.id)',
      now - finalOrdersMs - late,
    )
    none(
      'retention',
      'old CRLs are kept',
      'crls WHERE EXISTS (SELECT 1 FROM crls newer WHERE newer.number > crls.number AND newer.this_update < ?)',
      now - late,
    )
  }
}

/** Tables whose rows say themselves when they end. */
const ENDING_BY_THEMSELVES = [
  ['nonces', 'expires_at'],
  ['rate_limits', 'expires_at'],
  ['issued_name_sets', 'renewable_until'],
  ['name_failures', 'expires_at'],
  ['replacements', 'expires_at'],
  ['issued_names', 'ends_at'],
] as const

function isAllowed(name: string): boolean {
  return /^(?:\*\.)?(?:[a-z0-9-]+\.)+test$/.test(name) && !name.endsWith('.denied.test')
}

function idOf(url: string): string {
  return url.split('/').at(-1) as string
}

function sha256Of(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

function iso(ms: number): string {
  return new Date(ms).toISOString()
}
