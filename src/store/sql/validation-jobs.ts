import type { ChallengeId } from '../../lib/ids.ts'
import type { Logger } from '../../observe/log.ts'
import type { AuthorizationRecord, ChallengeInAuthorization, ChallengeRecord, ValidationJob } from '../records.ts'
import { StoreError, type ValidationJobStore } from '../store.ts'
import { appendAudit } from './audit.ts'
import {
  AUTHORIZATION_COLUMNS,
  type AuthorizationRow,
  HAS_FAILED,
  HAS_VALIDATED,
  LIVE,
  pickChallenge,
  THE_AUTHORIZATION,
  toAuthorizations,
} from './authorization-rows.ts'
import { endJobs } from './authorizations.ts'
import { type Database, lockRows, type Reads, runWithNext, type Sql } from './database.ts'
import { toDate } from './encoding.ts'
import { forCounts, marks, padKeys } from './lists.ts'
import { noteFailure } from './name-failures.ts'
import { failOrdersOfAuthorization } from './order-endings.ts'
import { NO_CACHE, type RecordCache } from './record-cache.ts'
import { writeAndRemember } from './remembered-authorizations.ts'

// What a challenge may change state in: an authorization that is pending at `?`, of an account that is valid
// (RFC 8555 §7.1.6). `challenges` is the row to change. The account is asked for as one value: joined, PostgreSQL would
// begin with it, and go through all of its authorizations, as long as it knows nothing of the tables.
const IN_PENDING_AUTHORIZATION = `
  EXISTS (
    SELECT 1 FROM authorizations a
    WHERE a.id = challenges.authorization_id AND ${LIVE} AND NOT ${HAS_VALIDATED} AND NOT ${HAS_FAILED}
      AND (SELECT deactivated_at IS NULL AND revoked_at IS NULL FROM accounts WHERE accounts.id = a.account_id)
  )`

const RESPOND = `
  UPDATE challenges SET responded_at = ?, key_authorization = ?
  WHERE id = ? AND authorization_id = ? AND responded_at IS NULL AND ${IN_PENDING_AUTHORIZATION}`

const ENQUEUE = `
  INSERT INTO validation_jobs (challenge_id, authorization_id, attempts, started_at, run_at, lease_owner, lease_until)
  VALUES (?, ?, 0, ?, ?, ?, ?)`

const DUE = `
  SELECT challenge_id FROM validation_jobs WHERE run_at <= ? AND lease_until <= ? ORDER BY run_at LIMIT ?`

const LEASE = `
  UPDATE validation_jobs SET lease_owner = ?, lease_until = ? WHERE challenge_id = ? AND lease_until <= ?`

// Whoever ends an authorization with two jobs may lock them in the other order; an engine that sees the circle repeats one.
const RENEW = forCounts(
  (count) => `
  UPDATE validation_jobs SET lease_until = ?
  WHERE challenge_id IN (${marks(count)}) AND lease_owner = ? RETURNING challenge_id`,
)

/** Leases of one statement, so that the loop of SQLite is not held up; who holds more needs several. */
const MAX_RENEWED = 128

const GET_JOB = `
  SELECT ${AUTHORIZATION_COLUMNS}, job.attempts AS attempts, job.started_at AS started_at
  FROM validation_jobs job
  JOIN authorizations a ON a.id = job.authorization_id
  JOIN challenges c ON c.authorization_id = a.id
  WHERE job.challenge_id = ?
  ORDER BY c.position`

const RETRY = `
  UPDATE validation_jobs SET run_at = ?, attempts = attempts + 1, lease_owner = NULL, lease_until = 0
  WHERE challenge_id = ? AND lease_owner = ?`

const RELEASE = `
  UPDATE validation_jobs SET lease_owner = NULL, lease_until = 0 WHERE challenge_id = ? AND lease_owner = ?`

const NOTE_ERROR = 'UPDATE challenges SET error = ? WHERE id = ? AND validated_at IS NULL AND failed_at IS NULL'

// A job under way was due when it was leased, and its lease keeps it from being taken again.
const HASTEN = 'UPDATE validation_jobs SET run_at = ? WHERE challenge_id = ? AND run_at > ?'

// Only the owner of the lease ends a job: a worker that was slow enough to lose it has nothing to say any more.
const TAKE = 'DELETE FROM validation_jobs WHERE challenge_id = ? AND lease_owner = ? RETURNING authorization_id'

const VALIDATE = `
  UPDATE challenges SET validated_at = ?, answered_from = ?, error = NULL
  WHERE id = ? AND responded_at IS NOT NULL AND ${IN_PENDING_AUTHORIZATION}`

const EXTEND = 'UPDATE authorizations SET expires_at = ? WHERE id = ?'

const FAIL = `
  UPDATE challenges SET failed_at = ?, error = ?
  WHERE id = ? AND responded_at IS NOT NULL AND ${IN_PENDING_AUTHORIZATION}`

const COUNT = 'SELECT COUNT(*) AS count FROM validation_jobs'

const AUTHORIZATION_OF =
  'SELECT id FROM authorizations WHERE id = (SELECT authorization_id FROM challenges WHERE id = ?)'

type JobRow = AuthorizationRow & { readonly attempts: number; readonly started_at: number }

export function createValidationJobStore(
  database: Database,
  { log, cache = NO_CACHE }: { readonly log: Logger | undefined; readonly cache?: RecordCache | undefined },
): ValidationJobStore {
  return {
    enqueue: ({ challenge, authorization }, { now, keyAuthorization, owner, leaseUntil, audit }) =>
      writeAndRemember(database, cache, async (sql, authorizations) => {
        const at = now.getTime()
        const isCurrent = authorizations.isCurrent(authorization) && authorization.challenges.includes(challenge)
        lockRows(sql, 'update', THE_AUTHORIZATION, authorization.id)
        const { changes } = await sql.run(RESPOND, at, keyAuthorization, challenge.id, authorization.id, at)
        if (changes === 0) return { outcome: 'already' }
        await runWithNext(sql, ENQUEUE, challenge.id, authorization.id, at, at, owner, leaseUntil.getTime())
        await appendAudit(sql, audit)
        const answered = { ...challenge, respondedAt: now, keyAuthorization }
        const waiting = withChallenge(authorization, answered)
        if (isCurrent) authorizations.leave(waiting)
        return { outcome: 'queued', job: { challenge: answered, authorization: waiting, attempts: 0, startedAt: now } }
      }),

    async lease({ now, owner, leaseUntil, limit }) {
      const at = now.getTime()
      const due = (sql: Reads) => sql.all<{ challenge_id: string }>(DUE, at, at, limit)
      // Mostly there is nothing to do, and then nothing is written.
      if ((await due(database)).length === 0) return []
      return database.write(async (sql) => {
        const jobs: ValidationJob[] = []
        for (const { challenge_id } of await due(sql)) {
          const { changes } = await sql.run(LEASE, owner, leaseUntil.getTime(), challenge_id, at)
          if (changes === 0) continue
          const job = await readable(getJob(sql, challenge_id), challenge_id)
          if (job !== undefined) jobs.push(job)
        }
        return jobs
      })
    },

    async renew(challengeIds, { owner, leaseUntil }) {
      const kept: ChallengeId[] = []
      for (let at = 0; at < challengeIds.length; at += MAX_RENEWED) {
        const ids = padKeys(challengeIds.slice(at, at + MAX_RENEWED))
        const rows = await database.write((sql) =>
          sql.all<{ challenge_id: ChallengeId }>(RENEW(ids.length), leaseUntil.getTime(), ...ids, owner),
        )
        for (const { challenge_id } of rows) kept.push(challenge_id)
      }
      return kept
    },

    retry: (challengeId, { owner, runAt, error }) =>
      database.write(async (sql) => {
        const { changes } = await sql.run(RETRY, runAt.getTime(), challengeId, owner)
        if (changes === 1) await sql.run(NOTE_ERROR, JSON.stringify(error), challengeId)
      }),

    async release(challengeIds, owner) {
      if (challengeIds.length === 0) return
      await database.write(async (sql) => {
        for (const challengeId of challengeIds) await sql.run(RELEASE, challengeId, owner)
      })
    },

    hasten: (challengeId, now) =>
      database.write(async (sql) => {
        await sql.run(HASTEN, now.getTime(), challengeId, now.getTime())
      }),

    // Whoever takes the job's row ends it, once; a result that comes later is discarded (KF-A21).
    succeed: (challengeId, { owner, now, expiresAt, answeredFrom, authorization, audit }) =>
      writeAndRemember(database, cache, async (sql, authorizations) => {
        const before = authorization && authorizations.isCurrent(authorization) ? authorization : undefined
        lockRows(sql, 'update', AUTHORIZATION_OF, challengeId)
        const taken = await sql.get<{ authorization_id: string }>(TAKE, challengeId, owner)
        if (taken === undefined) return 'discarded'
        const { changes } = await sql.run(VALIDATE, now.getTime(), answeredFrom ?? null, challengeId, now.getTime())
        if (changes === 0) return 'discarded'
        await runWithNext(sql, EXTEND, expiresAt.getTime(), taken.authorization_id)
        await endJobs(sql, taken.authorization_id)
        await appendAudit(sql, audit)
        const proved = pickChallenge(before, challengeId)
        if (proved !== undefined) authorizations.leave({ ...validated(proved, { now, answeredFrom }), expiresAt })
        return 'done'
      }),

    fail: (challengeId, { owner, now, error, orderError, pause, audit }) =>
      database.write(async (sql) => {
        lockRows(sql, 'update', AUTHORIZATION_OF, challengeId)
        const taken = await sql.get<{ authorization_id: string }>(TAKE, challengeId, owner)
        if (taken === undefined) return 'discarded'
        const { changes } = await sql.run(FAIL, now.getTime(), JSON.stringify(error), challengeId, now.getTime())
        if (changes === 0) return 'discarded'
        await endJobs(sql, taken.authorization_id)
        await failOrdersOfAuthorization(sql, taken.authorization_id, { now, error: orderError })
        await appendAudit(sql, audit)
        if (pause !== undefined) await noteFailure(sql, taken.authorization_id, { now, rule: pause, audit })
        return 'done'
      }),

    count: async () => (await database.get<{ count: number }>(COUNT))?.count ?? 0,
  }

  /** One unreadable row must not stop the jobs of everybody else; it waits, and is said again with each lease. */
  async function readable(job: Promise<ValidationJob | undefined>, id: string): Promise<ValidationJob | undefined> {
    try {
      return await job
    } catch (error) {
      if (!(error instanceof StoreError) || error.code !== 'failed') throw error
      log?.error('store.unreadable-row', { challengeId: id, error })
      return undefined
    }
  }
}

function withChallenge(authorization: AuthorizationRecord, changed: ChallengeRecord): AuthorizationRecord {
  const challenges = authorization.challenges.map((one) => (one.id === changed.id ? changed : one))
  return { ...authorization, challenges }
}

/** What VALIDATE makes of it. */
function validated(
  { challenge, authorization }: ChallengeInAuthorization,
  { now, answeredFrom }: { readonly now: Date; readonly answeredFrom: string | undefined },
): AuthorizationRecord {
  const { error: _, answeredFrom: __, ...rest } = challenge
  const proof = { validatedAt: now, ...(answeredFrom !== undefined && { answeredFrom }) }
  return withChallenge(authorization, { ...rest, ...proof })
}

async function getJob(sql: Sql, challengeId: string): Promise<ValidationJob | undefined> {
  const rows = await sql.all<JobRow>(GET_JOB, challengeId)
  const found = pickChallenge(toAuthorizations(rows)[0], challengeId)
  const job = rows[0]
  return found && job && { ...found, attempts: job.attempts, startedAt: toDate(job.started_at) }
}
