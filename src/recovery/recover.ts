import type { Clock } from '../lib/clock.ts'
import type { Random } from '../lib/random.ts'
import type { EabKeyFacts, LoggedCertificate } from '../store/history.ts'
import type { AccountRecord, AuditEvent, StoredProblem } from '../store/records.ts'
import type { Ended, IssuedCertificate, KnownRevocation } from '../store/recovery.ts'
import type { Store } from '../store/store.ts'
import { type ParsedCertificate, parseCertificate } from '../x509/certificate.ts'
import { verifySignature } from '../x509/signature.ts'
import { type LostTime, readLostTime } from './lost-time.ts'

/** Told to a client that asks for an order that was under way; the reason is ours, and a new order helps. */
export const ORDER_ERROR: StoredProblem = {
  type: 'serverInternal',
  status: 500,
  detail: 'The CA was restored from a backup while this order was under way; place a new order',
}

/** Named secrets of which no earlier use may count any more. */
export const VOID_SECRETS = ['nonce-key']

/** Rows written in one transaction. */
const BATCH = 200

export interface RecoverOptions {
  readonly store: Pick<Store, 'history' | 'recovery'>
  /** Folders of logs of this CA; none when there is none. */
  readonly logs: readonly string[]
  /** Certificates of all issuing CAs whose log entries may be taken in, by their id. */
  readonly issuers: ReadonlyMap<string, ParsedCertificate>
  /** Numbers of CRLs that were brought along, by issuer. */
  readonly crlNumbers: ReadonlyMap<string, bigint>
  /** Leaves unused external account keys usable although no log says whether they were used. */
  readonly keepEabKeys: boolean
  /** Where the data comes from, for the audit event. */
  readonly source: string
  readonly clock: Clock
  readonly random: Random
}

/** A certificate that was issued after the backup, as far as anybody must know it. */
export interface LostCertificate {
  readonly issuerId: string
  readonly serial: string
  readonly names: readonly string[]
  readonly notAfter: Date
  readonly accountId?: string
  readonly outcome: 'added' | 'completed' | 'known' | 'conflicting' | 'foreign'
}

export interface RecoveryReport {
  readonly epoch: number
  /** `none`: no log was given; `part`: logs were, but they do not cover all of the lost time. */
  readonly coverage: 'complete' | 'part' | 'none'
  readonly logs: readonly Pick<LostTime, 'folder' | 'isComplete' | 'lastWrittenAt' | 'tornBytes'>[]
  /** Issued after the backup, and known again. */
  readonly certificates: readonly LostCertificate[]
  readonly revocations: number
  readonly accounts: { readonly added: number; readonly changed: number; readonly conflicting: readonly string[] }
  readonly eabKeys: {
    /** Used or revoked after the backup, and ended again. */
    readonly ended: number
    /** Made after the backup, and gone: their secrets were in the lost database only. */
    readonly lost: readonly string[]
    readonly voided: boolean
  }
  readonly ended: Ended
}

/**
 * Takes a store that holds an older state into a new life, in which nothing is used twice and nothing that ended comes
 * alive again (KF-E08). May be repeated after a crash. The store must not be in use by a server.
 *
 * @throws {LogError | StoreError}
 */
export async function recover(options: RecoverOptions): Promise<RecoveryReport> {
  const { store, clock, random } = options
  // All logs are looked at before anything is changed.
  const lost: LostTime[] = []
  for (const folder of options.logs) lost.push(await readLostTime(folder, store.history))
  const epoch = await store.recovery.begin(random.bytes(16).toString('hex'), clock.now())
  const found = await putBack(options, lost)
  const coverage = lost.length === 0 ? 'none' : lost.some(({ isComplete }) => isComplete) ? 'complete' : 'part'
  const voidEabKeys = coverage !== 'complete' && !options.keepEabKeys
  const now = clock.now()
  const crlNumbers = greatest([...options.crlNumbers, ...found.crlNumbers])
  const ended = await store.recovery.finish({
    now,
    error: ORDER_ERROR,
    voidSecrets: VOID_SECRETS,
    voidEabKeys,
    crlNumbers,
    audit: (ended): AuditEvent => ({
      at: now,
      event: 'store.restored',
      data: {
        epoch,
        source: options.source,
        coverage,
        certificates: found.certificates.length,
        revocations: found.revocations,
        accounts: found.accounts.added + found.accounts.changed,
        eabKeysVoided: voidEabKeys,
        ended,
      },
    }),
  })
  return {
    epoch,
    coverage,
    logs: lost.map(({ folder, isComplete, lastWrittenAt, tornBytes }) => ({
      folder,
      isComplete,
      lastWrittenAt,
      tornBytes,
    })),
    certificates: found.certificates,
    revocations: found.revocations,
    accounts: found.accounts,
    eabKeys: { ...found.eabKeys, voided: voidEabKeys },
    ended,
  }
}

/** Certificates first, so that what is revoked is there; accounts at the end, all at once. */
async function putBack({ store, issuers, clock }: RecoverOptions, lost: readonly LostTime[]) {
  const { recovery } = store
  const certificates: LostCertificate[] = []
  const accounts = new Map<string, AccountRecord>()
  const eabKeys = new Map<string, KnownKey>()
  const revocations: KnownRevocation[] = []
  const crlNumbers: [string, bigint][] = []

  const putCertificates = async (batch: readonly LoggedCertificate[]): Promise<void> => {
    const ours = batch.map((one) => readOurs(one, issuers))
    const outcomes = await recovery.putCertificates(ours.filter((one) => one !== undefined))
    let at = 0
    for (const [index, one] of batch.entries())
      certificates.push(describe(one, ours[index] === undefined ? 'foreign' : (outcomes[at++] ?? 'foreign')))
  }
  for (const log of lost) {
    for await (const changes of log.changes()) {
      const issued: LoggedCertificate[] = []
      for (const change of changes) {
        switch (change.kind) {
          case 'certificate':
            issued.push(change.certificate)
            break
          case 'revocation':
            revocations.push(change)
            break
          case 'account':
            accounts.set(change.account.id, change.account)
            break
          case 'eab-key':
            eabKeys.set(change.key.id, later(eabKeys.get(change.key.id), change))
            break
          case 'crl':
            crlNumbers.push([change.issuerId, change.number])
            break
          default:
            change satisfies never
        }
      }
      for (const batch of batches(issued)) await putCertificates(batch)
    }
  }
  let revoked = 0
  for (const batch of batches(revocations))
    revoked += (await recovery.putRevocations(batch)).filter((outcome) => outcome === 'revoked').length
  const keys = [...eabKeys.values()].map(({ key }) => key)
  const keyOutcomes: string[] = []
  for (const batch of batches(keys)) keyOutcomes.push(...(await recovery.putEabKeys(batch)))
  const accountList = [...accounts.values()]
  const accountOutcomes = await recovery.putAccounts(accountList, clock.now())
  const count = (outcomes: readonly string[], wanted: string): number =>
    outcomes.filter((outcome) => outcome === wanted).length
  return {
    certificates,
    crlNumbers,
    revocations: revoked,
    accounts: {
      added: count(accountOutcomes, 'added'),
      changed: count(accountOutcomes, 'changed'),
      conflicting: accountList.filter((_, index) => accountOutcomes[index] === 'conflicting').map(({ id }) => id),
    },
    eabKeys: {
      ended: count(keyOutcomes, 'ended'),
      lost: keys.filter((_, index) => keyOutcomes[index] === 'unknown').map(({ id }) => id),
    },
  }
}

/** An external account key as an event of that number told of it. */
interface KnownKey {
  readonly id: number
  readonly key: EabKeyFacts
}

/** The logs of two replicas may say the same twice, one of them less: the newer word holds, but what ended stays ended. */
function later(before: KnownKey | undefined, now: KnownKey): KnownKey {
  if (before === undefined) return now
  const [older, newer] = before.id > now.id ? [now, before] : [before, now]
  const mostUsed = (older.key.uses ?? 0) > (newer.key.uses ?? 0) ? older.key : newer.key
  const { uses, usedAt, usedBy } = mostUsed.usedAt === undefined ? older.key : mostUsed
  const revokedAt = newer.key.revokedAt ?? older.key.revokedAt
  return {
    id: newer.id,
    key: {
      ...newer.key,
      ...(uses !== undefined && { uses }),
      ...(usedAt && { usedAt }),
      ...(usedBy && { usedBy }),
      ...(revokedAt && { revokedAt }),
    },
  }
}

/**
 * A file could claim anything: only what one of our issuing CAs signed becomes a certificate of the store, and what its
 * bytes say wins over what stands beside them. Undefined for anything else.
 */
function readOurs(logged: LoggedCertificate, issuers: RecoverOptions['issuers']): IssuedCertificate | undefined {
  const issuer = issuers.get(logged.issuerId)
  if (issuer === undefined) return undefined
  try {
    const certificate = parseCertificate(logged.certificateDer)
    if (!verifySignature(certificate, issuer.publicKey)) return undefined
    const { serialHex, publicKey, notBefore, notAfter, tbsDer } = certificate
    return { ...logged, serial: serialHex, spkiSha256: publicKey.sha256, notBefore, notAfter, tbsDer }
  } catch {
    return undefined
  }
}

function describe(certificate: LoggedCertificate, outcome: LostCertificate['outcome']): LostCertificate {
  const { issuerId, serial, notAfter, accountId, identifiers } = certificate
  return {
    issuerId,
    serial,
    names: identifiers.map(({ value }) => value),
    notAfter,
    ...(accountId !== undefined && { accountId }),
    outcome,
  }
}

function greatest(numbers: readonly (readonly [string, bigint])[]): Map<string, bigint> {
  const found = new Map<string, bigint>()
  for (const [issuerId, number] of numbers) {
    if (number > (found.get(issuerId) ?? -1n)) found.set(issuerId, number)
  }
  return found
}

function* batches<T>(things: readonly T[]): Generator<readonly T[]> {
  for (let at = 0; at < things.length; at += BATCH) yield things.slice(at, at + BATCH)
}
