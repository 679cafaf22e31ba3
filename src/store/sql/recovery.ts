import { identifierKey } from '../../lib/identifier.ts'
import type { EabKeyFacts } from '../history.ts'
import { readMark } from '../move-marks.ts'
import type { AccountRecord } from '../records.ts'
import type { Ended, IssuedCertificate, KnownRevocation, RecoveryStore } from '../recovery.ts'
import { accountParams } from './accounts.ts'
import { appendAudit } from './audit.ts'
import { blockKey } from './blocked-keys.ts'
import { INSERT_RESERVATION, reservationParams } from './certificate-rows.ts'
import { findCertificate } from './certificates.ts'
import { lastCrlNumber, nextRevocation, raiseCrlNumber } from './crls.ts'
import type { Database, Sql } from './database.ts'
import { eabKeyRow } from './eab-key-rows.ts'
import { insertEabKeys, RECKON_END } from './eab-keys.ts'
import { digest, toMs } from './encoding.ts'
import { readLineages } from './history.ts'
import { claimNames } from './issued-names.ts'
import {
  ADD_ACCOUNT,
  BEGIN,
  CHANGE_ACCOUNT,
  CRL_ISSUERS,
  END_ABANDONED,
  END_AUTHORIZATIONS,
  END_EAB_KEYS,
  END_JOBS,
  END_NAME_GRANTS,
  END_ORDERS,
  FIND_HOLDER,
  FINISH,
  FORGET_CRLS,
  FORGET_NONCES,
  FORGET_SECRET,
  FREE_THUMBPRINT,
  NEWEST_EVENT,
  PUT_CERTIFICATE,
  PUT_EAB_KEY,
  PUT_ORDER,
  PUT_REVOCATION,
  RENAME,
  REVOKE_ACCOUNT,
} from './recovery-statements.ts'

/**
 * How far CRL numbers jump. They follow the time in milliseconds, so this is more than 30 years' worth: greater than
 * anything the lost time can have used, even under a clock that was wrong by decades.
 */
const CRL_NUMBER_JUMP = 2n ** 40n

const KEY_COMPROMISE = 1

type Put = 'added' | 'completed' | 'known' | 'conflicting'

export function createRecoveryStore(database: Database): RecoveryStore {
  return {
    begin: (lineage, now) =>
      database.write(async (sql) => {
        const last = (await readLineages(sql)).at(-1)
        if (last !== undefined && last.finishedAt === undefined) {
          // Whoever restores a database that was moved away means to go on from it.
          if (readMark(last) !== undefined) await sql.run(RENAME, lineage, now.getTime(), last.epoch)
          return last.epoch
        }
        const epoch = (last?.epoch ?? -1) + 1
        const newest = await sql.get<{ id: number }>(NEWEST_EVENT)
        await sql.run(BEGIN, epoch, lineage, now.getTime(), newest?.id ?? 0)
        return epoch
      }),

    putCertificates: (certificates) => inOneWrite(database, certificates, putCertificate),
    putRevocations: (revocations) => inOneWrite(database, revocations, putRevocation),
    putEabKeys: (keys) => inOneWrite(database, keys, putEabKey),

    putAccounts: (accounts, now) =>
      database.write(async (sql) => {
        // Keys may have gone round among them; so each first lets go of the one it has.
        for (const { id } of accounts) await sql.run(FREE_THUMBPRINT, id)
        const outcomes: ('added' | 'changed' | 'conflicting')[] = []
        for (const account of accounts) outcomes.push(await putAccount(sql, account, now))
        return outcomes
      }),

    importCertificates: (certificates, audit) =>
      inOneWrite(database, certificates, async (sql, certificate) => {
        const outcome = await putCertificate(sql, certificate)
        if (outcome === 'added' || outcome === 'completed') await appendAudit(sql, audit(certificate))
        return outcome
      }),

    finish: ({ now, error, voidSecrets, voidEabKeys, crlNumbers, audit }) =>
      database.write(async (sql) => {
        const at = now.getTime()
        const epoch = (await readLineages(sql)).at(-1)
        if (epoch === undefined || epoch.finishedAt !== undefined) throw new Error('no restore was begun')
        const ended: Ended = {
          validationJobs: (await sql.run(END_JOBS)).changes,
          reservations: (await sql.run(END_ABANDONED, at)).changes,
          orders: (await sql.run(END_ORDERS, at, JSON.stringify(error), at, at)).changes,
          authorizations: (await sql.run(END_AUTHORIZATIONS, at, at)).changes,
          nameGrants: (await sql.run(END_NAME_GRANTS, at, at, at)).changes,
          eabKeys: voidEabKeys ? (await sql.run(END_EAB_KEYS, at, at, at)).changes : 0,
        }
        for (const name of voidSecrets) await sql.run(FORGET_SECRET, name)
        await sql.run(FORGET_NONCES)
        await moveCrlNumbers(sql, crlNumbers, now)
        await appendAudit(sql, audit(ended))
        await sql.run(FINISH, at, epoch.epoch)
        return ended
      }),
  }
}

async function inOneWrite<T, Outcome>(
  database: Database,
  things: readonly T[],
  put: (sql: Sql, thing: T) => Promise<Outcome>,
): Promise<Outcome[]> {
  return database.write(async (sql) => {
    const outcomes: Outcome[] = []
    for (const thing of things) outcomes.push(await put(sql, thing))
    return outcomes
  })
}

async function putCertificate(sql: Sql, certificate: IssuedCertificate): Promise<Put> {
  const { issuerId, serial, certificateDer } = certificate
  const outcome = (await sql.run(INSERT_RESERVATION, ...reservationParams(certificate))).changes === 1
  const issuedAt = (certificate.issuedAt ?? certificate.reservedAt).getTime()
  const { changes } = await sql.run(
    PUT_CERTIFICATE,
    certificateDer,
    digest(certificateDer),
    issuedAt,
    issuerId,
    serial,
    digest(certificate.tbsDer),
  )
  if (changes === 0) {
    const known = await findCertificate(sql, { issuerId, serial })
    return known?.certificateDer?.equals(certificateDer) === true ? 'known' : 'conflicting'
  }
  if (certificate.orderId !== undefined)
    await sql.run(PUT_ORDER, issuedAt, serial, issuedAt, certificate.orderId, certificate.accountId ?? '')
  if (outcome)
    await claimNames(
      sql,
      certificate,
      certificate.identifiers.map((one) => ({ name: identifierKey(one) })),
    )
  return outcome ? 'added' : 'completed'
}

async function putRevocation(sql: Sql, revocation: KnownRevocation): Promise<'revoked' | 'known' | 'unknown'> {
  const { issuerId, serial, reason } = revocation
  const before = await findCertificate(sql, revocation)
  if (before?.issuedAt === undefined) return 'unknown'
  const { revokedAt, revocationReason } = before
  if (revokedAt !== undefined && (reason !== KEY_COMPROMISE || revocationReason === KEY_COMPROMISE)) return 'known'
  const first = Math.min(revocation.revokedAt.getTime(), revokedAt?.getTime() ?? Number.POSITIVE_INFINITY)
  const sequence = await nextRevocation(sql, issuerId)
  await sql.run(PUT_REVOCATION, first, reason, sequence, first, issuerId, serial)
  if (reason === KEY_COMPROMISE)
    await blockKey(sql, before.spkiSha256, { now: revocation.revokedAt, reason: 'keyCompromise' })
  return 'revoked'
}

async function putAccount(sql: Sql, account: AccountRecord, now: Date): Promise<'added' | 'changed' | 'conflicting'> {
  const holder = await sql.get<{ id: string }>(FIND_HOLDER, account.directory, account.thumbprint)
  if (holder !== undefined && holder.id !== account.id) {
    await sql.run(REVOKE_ACCOUNT, now.getTime(), account.id)
    return 'conflicting'
  }
  const { changes } = await sql.run(
    CHANGE_ACCOUNT,
    JSON.stringify(account.jwk),
    account.thumbprint,
    account.spkiSha256,
    JSON.stringify(account.contact),
    toMs(account.deactivatedAt),
    toMs(account.revokedAt),
    account.id,
    account.directory,
  )
  if (changes === 1) return 'changed'
  await sql.run(ADD_ACCOUNT, ...accountParams(account))
  return 'added'
}

/** Of a key that is not there, what its accounts have from it comes back; nobody can register with it any more. */
async function putEabKey(sql: Sql, key: EabKeyFacts): Promise<'ended' | 'as-it-was' | 'unknown'> {
  const withoutSecret = { ...key, wrappedMacKey: Buffer.alloc(0) }
  const row = eabKeyRow(withoutSecret)
  const { changes } = await sql.run(
    PUT_EAB_KEY,
    row.directories,
    row.label,
    row.owner,
    row.attributes,
    row.member_of,
    row.scope,
    row.max_uses,
    row.expires_at,
    row.accounts_end_at,
    row.used_at,
    row.used_by,
    row.uses,
    row.uses,
    row.revoked_at,
    row.id,
  )
  if (changes === 0) {
    await insertEabKeys(sql, [withoutSecret])
    return 'unknown'
  }
  await sql.run(RECKON_END, row.id)
  return key.usedAt === undefined && key.revokedAt === undefined ? 'as-it-was' : 'ended'
}

/** Stored lists go, so that the next start makes new ones at once; what they covered stays noted. */
async function moveCrlNumbers(sql: Sql, known: ReadonlyMap<string, bigint>, now: Date): Promise<void> {
  const issuers = (await sql.all<{ issuer_id: string }>(CRL_ISSUERS)).map((row) => row.issuer_id)
  for (const issuerId of new Set([...issuers, ...known.keys()])) {
    const numbers = [await lastCrlNumber(sql, issuerId), known.get(issuerId), BigInt(now.getTime())]
    const greatest = numbers.reduce<bigint>((most, one) => (one !== undefined && one > most ? one : most), 0n)
    await raiseCrlNumber(sql, issuerId, greatest + CRL_NUMBER_JUMP)
  }
  await sql.run(FORGET_CRLS)
}
