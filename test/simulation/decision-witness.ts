import type { SimDisk } from './disk.ts'
import type { SimReply } from './exchange.ts'
import { OFTEN } from './rules.ts'
import type { World } from './world.ts'

const SLACK_MS = 180_000
const HOUR_MS = 3_600_000
/** The longest time over which a rule may count, and so the shortest for which names are remembered. */
const NAMES_KEPT_MS = 90 * 24 * HOUR_MS

type Check = (rule: string, holds: boolean, detail: () => string) => void

interface Reservation {
  readonly serial: string
  readonly order_id: string | null
  readonly account_id: string | null
  readonly identifiers: string
  readonly reserved_at: number
  readonly not_before: number
  readonly not_after: number
  readonly issued_at: number | null
  readonly revoked_at: number | null
}

interface Allowed {
  readonly serial: string | null
  readonly order_id: string | null
  readonly account_id: string | null
  readonly at: number
}

interface NamedRow {
  readonly name: string
  readonly position: number
  readonly account_id: string | null
  readonly serial: string
  readonly reserved_at: number
  readonly ends_at: number
}

/** A certificate about to be signed, as its bytes and the store have it. */
export interface Signing {
  readonly serial: string
  readonly names: readonly string[]
  readonly orderId: string | null
  readonly accountId: string | null
  readonly spkiSha256: string
  readonly reservedAt: number
  /** Whether its dates may be those of a clock that was wrong. */
  readonly isDoubtful: boolean
}

/**
 * Holds what policy is known to have decided against what came of it: certificates and refusals against the decisions
 * that are stored, and certificates against the memory of their names. It knows the rules, and nothing of how the server
 * applies them.
 */
export class DecisionWitness {
  readonly #world: World
  readonly #check: Check
  readonly #disk: SimDisk
  readonly #promises: { readonly decisionsMs: number; readonly expiredCertificatesMs: number }
  readonly #hasNames: boolean
  /** Refusals that were told, by their reference, and when. */
  readonly #refusals = new Map<string, number>()
  /** Every reservation for an account that was seen in the store. */
  readonly #reserved = new Map<string, Reservation & { readonly names: readonly string[] }>()
  readonly #doubtful = new Set<string>()
  readonly #counts: { refusals: number }

  constructor(parts: {
    world: World
    check: Check
    disk: SimDisk
    promises: { readonly decisionsMs: number; readonly expiredCertificatesMs: number }
    counts: { refusals: number }
    /** Whether a rule asks how often, so that names are remembered. */
    countsNames: boolean
  }) {
    this.#world = parts.world
    this.#check = parts.check
    this.#disk = parts.disk
    this.#promises = parts.promises
    this.#counts = parts.counts
    this.#hasNames = parts.countsNames
  }

  /** What was refused meanwhile is dated wrongly, and goes by that date. */
  clockIsRight(wrongSinceMs: number): void {
    for (const [reference, atMs] of this.#refusals) if (atMs >= wrongSinceMs) this.#refusals.delete(reference)
  }

  /** At the moment of signing, the decision that allows these very bytes is committed, under the request that asked. */
  signing({ serial, names, orderId, accountId, spkiSha256, reservedAt, isDoubtful }: Signing): void {
    if (isDoubtful) this.#doubtful.add(serial)
    const [intent] = this.#disk.outside<{ request_id: string | null }>(
      "SELECT request_id FROM audit_events WHERE serial = ? AND event = 'certificate.intended'",
      serial,
    )
    const found = this.#disk.outside<{
      at: number
      stage: string
      outcome: string
      order_id: string | null
      account_id: string | null
      request: string
    }>(
      'SELECT at, stage, outcome, order_id, account_id, request FROM decisions WHERE reference = ? AND serial = ?',
      intent?.request_id ?? '',
      serial,
    )
    const [row] = found
    this.#check(
      'decision',
      row !== undefined && found.length === 1 && row.stage === 'issuance' && row.outcome === 'allow',
      () => `${serial} is signed, and ${found.length} decisions of its request ${intent?.request_id} allow it`,
    )
    if (row === undefined) return
    const asked = JSON.parse(row.request) as { names: { value: string }[]; key?: { spkiSha256: string } }
    const isOfThese =
      row.order_id === orderId &&
      row.account_id === accountId &&
      asked.key?.spkiSha256 === spkiSha256 &&
      sorted(asked.names.map(({ value }) => value)) === sorted(names) &&
      row.at <= reservedAt
    this.#check('decision', isOfThese, () => `${serial} for ${names} is signed by a decision on ${row.request}`)
  }

  /** A refusal that names its reference is stored before the client hears of it. */
  answered(status: number, { body }: SimReply): void {
    if (status < 400) return
    const text = body.toString()
    const reference = /\(reference (req_[\w-]{22})\)/.exec(text)?.[1]
    if (reference === undefined || !/\[policy rule |cannot be decided/.test(text)) return
    this.#counts.refusals++
    this.#refusals.set(reference, this.#world.nowMs)
    this.#checkRefusal(reference)
  }

  #checkRefusal(reference: string): void {
    const found = this.#disk.outside("SELECT 1 FROM decisions WHERE reference = ? AND outcome = 'deny'", reference)
    this.#check('refusal', found.length > 0, () => `a client was refused under ${reference}, which nothing is known of`)
  }

  /** All that is to be kept is there, and nothing that came of nothing. After every start, and every day. */
  checkKept(): void {
    const { decisionsMs, expiredCertificatesMs } = this.#promises
    const now = this.#world.nowMs
    for (const [reference, atMs] of this.#refusals) {
      if (now > atMs + decisionsMs - SLACK_MS) this.#refusals.delete(reference)
      else this.#checkRefusal(reference)
    }

    const reservations = new Map(
      this.#disk
        .outside<Reservation>(
          `SELECT serial, order_id, account_id, identifiers, reserved_at, not_before, not_after, issued_at, revoked_at
            FROM certificates`,
        )
        .map((row) => [row.serial, row]),
    )
    const allowed = this.#disk.outside<Allowed>(
      "SELECT serial, order_id, account_id, at FROM decisions WHERE stage = 'issuance' AND outcome = 'allow'",
    )
    for (const { serial, order_id, account_id, at } of allowed) {
      if (at < now - expiredCertificatesMs + SLACK_MS) continue
      const made = reservations.get(serial ?? '')
      const isOne = made !== undefined && made.order_id === order_id && made.account_id === account_id
      this.#check('decision', isOne, () => `a decision of ${iso(at)} allows ${serial}, which was never reserved`)
    }
    const serials = new Set(allowed.map(({ serial }) => serial))
    for (const { serial, reserved_at } of reservations.values()) {
      if (reserved_at < now - decisionsMs + SLACK_MS) continue
      this.#check(
        'decision',
        serials.has(serial),
        () => `no decision allows ${serial}, reserved at ${iso(reserved_at)}`,
      )
    }
    const [unknown] = this.#disk.outside<{ version: string }>(
      'SELECT version FROM decisions WHERE version IS NOT NULL AND version NOT IN (SELECT version FROM policy_versions)',
    )
    this.#check('decision', unknown === undefined, () => `nobody knows the policy ${unknown?.version} that decided`)
    this.#checkNames(reservations)
  }

  #checkNames(reservations: ReadonlyMap<string, Reservation>): void {
    const now = this.#world.nowMs
    for (const row of reservations.values()) {
      if (row.account_id === null || this.#reserved.has(row.serial)) continue
      const identifiers = JSON.parse(row.identifiers) as { type: string; value: string }[]
      this.#reserved.set(row.serial, { ...row, names: identifiers.map(({ type, value }) => `${type}:${value}`) })
    }
    const rows = this.#disk.outside<NamedRow>(
      'SELECT name, position, account_id, serial, reserved_at, ends_at FROM issued_names ORDER BY name, position',
    )
    const seen = new Set<string>()
    for (const { name, serial, account_id, reserved_at, ends_at } of rows) {
      const made = this.#reserved.get(serial)
      const isOfIt =
        this.#hasNames &&
        made?.names.includes(name) === true &&
        made.account_id === account_id &&
        made.reserved_at === reserved_at &&
        ends_at >= endOfNames(made)
      this.#check('issued-names', isOfIt, () => `${name} is remembered for ${serial}, which is not so`)
      this.#check('issued-names', !seen.has(`${name} ${serial}`), () => `${name} of ${serial} is remembered twice`)
      seen.add(`${name} ${serial}`)
    }
    if (!this.#hasNames) return
    for (const made of this.#reserved.values()) {
      if (now > endOfNames(made) - SLACK_MS) continue
      for (const name of made.names)
        this.#check('issued-names', seen.has(`${name} ${made.serial}`), () => `${name} of ${made.serial} is forgotten`)
    }
    this.#checkOften(rows, reservations)
  }

  /** No name had more certificates, or sooner, than the rules allow. */
  #checkOften(rows: readonly NamedRow[], reservations: ReadonlyMap<string, Reservation>): void {
    const { member, crowd } = OFTEN
    const runs = new Map<string, Reservation[]>()
    for (const { name, serial, account_id } of rows) {
      const isMember = name.endsWith(`.${member.zone}`)
      if (!isMember && !name.endsWith(`.${crowd.zone}`)) continue
      const key = isMember ? `${name} ${account_id}` : name
      const made = reservations.get(serial)
      const run = runs.get(key) ?? []
      // What a wrong clock dated says nothing of before and after.
      if (this.#doubtful.has(serial)) runs.delete(key)
      else if (made !== undefined && made.issued_at !== null) runs.set(key, [...run, made])
    }
    for (const [key, run] of runs) {
      const isMember = key.includes(`.${member.zone}`)
      for (const [i, made] of run.entries()) {
        const before = run[isMember ? i - 1 : i - crowd.count]
        if (before === undefined) continue
        const wasRevoked = before.revoked_at !== null && before.revoked_at <= made.reserved_at + SLACK_MS
        if (isMember && wasRevoked) continue
        const lifeMs = before.not_after - before.not_before
        const notBefore = isMember
          ? before.not_before + member.renewAfter * lifeMs
          : before.reserved_at + crowd.perHours * HOUR_MS
        this.#check(
          'often',
          made.reserved_at >= notBefore - SLACK_MS,
          () =>
            `${key} got ${made.serial} at ${iso(made.reserved_at)}, after ${before.serial} of ${iso(before.reserved_at)}`,
        )
      }
    }
  }
}

function endOfNames({ not_after, reserved_at }: Reservation): number {
  return Math.max(not_after, reserved_at + NAMES_KEPT_MS)
}

function sorted(names: readonly string[]): string {
  return [...names].sort().join()
}

function iso(ms: number): string {
  return new Date(ms).toISOString()
}
