import { appendFileSync, readFileSync, rmSync, statSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { digest } from '../../src/store/sql/encoding.ts'
import { encodeSpent } from '../../src/store/sqlite/nonce-ledger.ts'
import type { BetweenLives } from './harness/campaign.ts'
import type { KnownAccount, KnownCertificate, KnownOrder, KnownProof, OutsideRecord } from './harness/record.ts'

/** Damage as a broken promise would leave it, and the promise that the harness must find broken. */
export interface Vandalism {
  readonly what: string
  readonly promise: string
  /** @returns what the harness must name; empty where there is nothing to name */
  apply(parts: { readonly database: DatabaseSync; readonly pick: Picker; readonly signedFile: string }): string
}

const NOTHING_YET = 'nothing of the kind was acknowledged yet'

/** Acknowledged things, each given out once, so that no damage hides another. */
export class Picker {
  readonly #record: OutsideRecord
  readonly #taken = new Set<unknown>()

  constructor(record: OutsideRecord) {
    this.#record = record
  }

  account(fits: (account: KnownAccount) => boolean): KnownAccount {
    return this.#take(this.#record.accounts, fits)
  }

  order(fits: (order: KnownOrder) => boolean): KnownOrder {
    const isReadable = ({ account }: KnownOrder): boolean => !account.isDeactivated && !this.#taken.has(account)
    return this.#take(this.#record.orders, (order) => isReadable(order) && fits(order))
  }

  certificate(fits: (certificate: KnownCertificate) => boolean = () => true): KnownCertificate {
    const isFree = ({ order }: KnownCertificate): boolean => !this.#taken.has(order) && !this.#taken.has(order.account)
    return this.#take([...this.#record.certificates.values()], (one) => isFree(one) && fits(one))
  }

  proof(): KnownProof {
    const isReadable = ({ account }: KnownProof): boolean => !account.isDeactivated && !this.#taken.has(account)
    return this.#take(this.#record.proofs, isReadable)
  }

  /** The oldest list that was seen, and the newest. */
  crls(): [Buffer, Buffer] {
    const seen = [...this.#record.crls.values()]
    const [oldest] = seen
    const newest = seen.at(-1)
    if (oldest === undefined || newest === undefined || seen.length < 2) throw new Error(NOTHING_YET)
    return [oldest, newest]
  }

  #take<T>(of: readonly T[], fits: (one: T) => boolean): T {
    const found = of.find((one) => !this.#taken.has(one) && fits(one))
    if (found === undefined) throw new Error(NOTHING_YET)
    this.#taken.add(found)
    return found
  }
}

const hex = (text: string): string => Buffer.from(text).toString('hex')

const idOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1)

export const VANDALISM: readonly Vandalism[] = [
  {
    what: 'an account is lost',
    promise: 'accounts',
    apply({ database, pick }) {
      const { path } = pick.account((one) => !one.isDeactivated && !one.isUncertain && one.eabKeyId === undefined)
      database.prepare('DELETE FROM accounts WHERE id = ?').run(idOf(path))
      return path
    },
  },
  {
    what: 'a deactivated account lives again',
    promise: 'accounts',
    apply({ database, pick }) {
      const { path } = pick.account(({ isDeactivated }) => isDeactivated === true)
      database.prepare('UPDATE accounts SET deactivated_at = NULL WHERE id = ?').run(idOf(path))
      return path
    },
  },
  {
    what: 'an order is lost',
    promise: 'orders',
    apply({ database, pick }) {
      const { path } = pick.order(({ status }) => status === 'pending')
      database.prepare('DELETE FROM orders WHERE id = ?').run(idOf(path))
      return path
    },
  },
  {
    what: 'an order goes back from valid to ready',
    promise: 'order-state',
    apply({ database, pick }) {
      const { path } = pick.order(({ status, certificate }) => status === 'valid' && certificate !== undefined)
      database.prepare('UPDATE orders SET certificate_serial = NULL, processing_at = NULL WHERE id = ?').run(idOf(path))
      return path
    },
  },
  {
    what: 'an order is claimed and nothing is known of what will be signed',
    promise: 'order-ends',
    apply({ database, pick }) {
      // One that is about to fail would have its end.
      const { path } = pick.order(({ status, mayFail }) => status === 'pending' && mayFail === undefined)
      database.prepare('UPDATE orders SET processing_at = created_at WHERE id = ?').run(idOf(path))
      return idOf(path)
    },
  },
  {
    what: 'a certificate is lost',
    promise: 'certificates',
    apply({ database, pick }) {
      const { serial } = pick.certificate()
      database.prepare('DELETE FROM certificates WHERE serial = ?').run(serial)
      return serial
    },
  },
  {
    what: 'a certificate was signed a second time, and the second signature was kept',
    promise: 'certificates',
    apply({ database, pick }) {
      const { serial, der } = pick.certificate()
      const other = Buffer.from(der)
      other.writeUInt8(other.readUInt8(other.length - 1) ^ 1, other.length - 1)
      database
        .prepare('UPDATE certificates SET certificate_der = ?, certificate_sha256 = ? WHERE serial = ?')
        .run(other, digest(other), serial)
      return serial
    },
  },
  {
    what: 'an order has two certificates',
    promise: 'one-certificate',
    apply({ database, pick }) {
      const [one, other] = [pick.certificate(), pick.certificate()]
      database.prepare('UPDATE certificates SET order_id = ? WHERE serial = ?').run(idOf(one.order.path), other.serial)
      return idOf(one.order.path)
    },
  },
  {
    what: 'a proof is forgotten',
    promise: 'proofs',
    apply({ database, pick }) {
      const { path } = pick.proof()
      database.prepare('UPDATE challenges SET validated_at = NULL WHERE authorization_id = ?').run(idOf(path))
      return path
    },
  },
  {
    what: 'a revocation is forgotten',
    promise: 'revocation',
    apply({ database, pick }) {
      const { serial } = pick.certificate(({ revokedFor }) => revokedFor !== undefined)
      database
        .prepare('UPDATE certificates SET revoked_at = NULL, revocation_reason = NULL WHERE serial = ?')
        .run(serial)
      return serial
    },
  },
  {
    what: 'a certificate has no audit event of its issuance',
    promise: 'audit',
    apply({ database, pick }) {
      const { serial } = pick.certificate()
      database.prepare("DELETE FROM audit_events WHERE serial = ? AND event = 'certificate.issued'").run(serial)
      return serial
    },
  },
  {
    what: 'an external account key is unspent',
    promise: 'eab-once',
    apply({ database, pick }) {
      const { eabKeyId = '' } = pick.account((one) => one.eabKeyId !== undefined)
      const unspend = 'UPDATE eab_keys SET used_at = NULL, used_by = NULL, uses = 0, ends_at = expires_at WHERE id = ?'
      database.prepare(unspend).run(eabKeyId)
      return eabKeyId
    },
  },
  {
    what: 'spent nonces are forgotten',
    promise: 'nonce-once',
    apply({ database }) {
      // As if the last process had ended in good order, with nothing spent.
      const forgotten = { endsAtMs: Date.now() + 3_600_000, bits: undefined }
      const spent = encodeSpent({ next: 30_000, pages: new Map([[0, forgotten]]) })
      database.prepare('UPDATE nonce_ledger SET spent = ?, spent_sha256 = ?').run(spent, digest(spent))
      return ''
    },
  },
  {
    what: 'an older CRL is served again',
    promise: 'crl-number',
    apply({ database, pick }) {
      const [older, newest] = pick.crls()
      database
        .prepare('UPDATE crls SET crl_der = ?, crl_sha256 = ? WHERE number = (SELECT MAX(number) FROM crls)')
        .run(older, digest(older))
      if (newest.equals(older)) throw new Error('the newest list must be another one')
      // And no further list takes its place.
      database.exec('UPDATE crl_state SET covered_sequence = 1000000')
      return ''
    },
  },
  {
    what: 'something was signed before the store knew of it',
    promise: 'intent-first',
    apply({ database, pick, signedFile }) {
      const { serial } = pick.certificate()
      const tbs = tbsOf(database, serial)
      // The same certificate under a serial that nobody has.
      const unknown = `7f${serial.slice(2, -2)}00`
      appendFileSync(signedFile, `${tbs.replace(serial, unknown)}\n`)
      return unknown
    },
  },
  {
    what: 'two certificates were signed under one serial',
    promise: 'serial-once',
    apply({ database, pick, signedFile }) {
      const { serial } = pick.certificate()
      const tbs = tbsOf(database, serial)
      if (!readFileSync(signedFile, 'utf8').includes(tbs)) throw new Error('what was signed is not in its file')
      // The same, for another name.
      const other = tbs.replaceAll(hex('.localhost'), hex('.localhosu'))
      appendFileSync(signedFile, `${other}\n`)
      return serial
    },
  },
]

function tbsOf(database: DatabaseSync, serial: string): string {
  const row = database.prepare('SELECT tbs_der FROM certificates WHERE serial = ?').get(serial)
  return Buffer.from(row?.['tbs_der'] as Uint8Array).toString('hex')
}

/** What must be noticed of a damage that was done. */
export interface Expected {
  readonly what: string
  readonly promise: string
  readonly named: string
}

/** All damage at once. @returns undefined, with nothing done, when something needed was not acknowledged yet */
export function vandalize({ home, record, signedFile }: BetweenLives): readonly Expected[] | undefined {
  const database = new DatabaseSync(join(home, 'chancery.db'), { enableForeignKeyConstraints: false })
  const pick = new Picker(record)
  const signed = statSync(signedFile).size
  try {
    database.exec('BEGIN')
    const done = VANDALISM.map(({ what, promise, apply }) => {
      return { what, promise, named: apply({ database, pick, signedFile }) }
    })
    database.exec('COMMIT')
    return done
  } catch (error) {
    if (!(error instanceof Error && error.message === NOTHING_YET)) throw error
    truncateSync(signedFile, signed)
    return undefined
  } finally {
    // Without a commit, nothing of it stays.
    database.close()
  }
}

/** Sizes in bytes (https://www.sqlite.org/fileformat.html#walformat). */
const WAL_HEADER = 32
const WAL_FRAME_HEADER = 24

/** A disk that lies: the last part of what was written, and said to be safe, is not there after the crash. */
export function loseTail({ home }: Pick<BetweenLives, 'home'>): void {
  const path = join(home, 'chancery.db-wal')
  const log = readFileSync(path)
  const frame = WAL_FRAME_HEADER + log.readUInt32BE(8)
  const isOfThisRound = (at: number): boolean =>
    at + frame <= log.length && log.compare(log, 16, 24, at + 8, at + 16) === 0
  let written = 0
  // Behind what was written last lie frames of an earlier round through the file, which nobody reads.
  while (isOfThisRound(WAL_HEADER + written * frame)) written++
  truncateSync(path, WAL_HEADER + Math.floor(written / 2) * frame)
}

/** Takes away the log of what was issued, so that the server cannot see for itself what the disk lost. */
export function loseIssuanceLog({ home }: Pick<BetweenLives, 'home'>): void {
  rmSync(join(home, 'issued'), { recursive: true })
}
