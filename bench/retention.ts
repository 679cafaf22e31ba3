import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { parseArgs } from 'node:util'
import { retentionPolicy, SWEEP_BATCH } from '../src/app/retention.ts'
import { configSchema } from '../src/config/schema.ts'
import { newId } from '../src/lib/ids.ts'
import { systemRandom } from '../src/lib/random.ts'
import type { AccountRecord, AuthorizationRecord, CertificateRecord, OrderRecord } from '../src/store/records.ts'
import { openSqliteStore } from '../src/store/sqlite/engine.ts'
import type { Store } from '../src/store/store.ts'
import { FakeClock } from '../test/support/fake-clock.ts'
import { PROFILE } from '../test/support/order-facts.ts'

/**
 * What is left of a long life: every certificate goes the way through the real store that a client's renewal goes
 * (nonces, order, authorization, three challenges, proof, intent, certificate, one in a hundred revoked), and the real
 * sweep runs every simulated hour with the default times. At the end: rows and bytes of each table, free pages, and
 * what a copy without any free space has; then how long an issuance takes while a backlog is being swept.
 *
 *     node bin/pinned-node.mjs bench/retention.ts --per-day 10000 --days 365
 */
const { values } = parseArgs({
  options: {
    'per-day': { type: 'string', default: '500' },
    days: { type: 'string', default: '365' },
    /** Divides all times of retention, so that a short life sees all of them end. */
    shorten: { type: 'string', default: '1' },
    folder: { type: 'string', default: tmpdir() },
  },
})
const perDay = Number(values['per-day'])
const days = Number(values.days)
const HOUR_MS = 3_600_000
const ISSUER = 'a1'.repeat(20)
const ACCOUNTS = 200
const NONCES = 8
const AT_ONCE = 200

const folder = mkdtempSync(join(values.folder, 'chancery-retention-'))
const path = join(folder, 'chancery.db')
const clock = new FakeClock('2026-01-01T00:00:00Z')
const store = await openSqliteStore({ path, clock, exclusive: true })
const policy = shortened(retentionPolicy(configSchema.parse({})), Number(values.shorten))
let crlNumber = 0n

try {
  const accounts = await makeAccounts()
  const startedMs = performance.now()
  let swept = 0
  let longestSweepMs = 0
  for (let hour = 0; hour < days * 24; hour++) {
    const due = Math.floor(((hour + 1) * perDay) / 24) - Math.floor((hour * perDay) / 24)
    for (let done = 0; done < due; done += AT_ONCE)
      await Promise.all(
        Array.from({ length: Math.min(AT_ONCE, due - done) }, (_, i) => issue(store, accounts, hour + i)),
      )
    await clock.advance(HOUR_MS)
    if (hour % 12 === 0) await publishCrl()
    for (;;) {
      const before = performance.now()
      const deleted = await store.retention.sweep(policy, { now: clock.now(), batch: SWEEP_BATCH })
      longestSweepMs = Math.max(longestSweepMs, performance.now() - before)
      swept += deleted
      if (deleted === 0) break
    }
    if (hour % (24 * 30) === 24 * 30 - 1) progress(hour / 24, startedMs)
  }
  const seconds = (performance.now() - startedMs) / 1000
  console.log(
    `\n${perDay} certificates a day for ${days} days: ${perDay * days} in ${seconds.toFixed(0)} s; ${swept} rows swept, longest batch ${longestSweepMs.toFixed(1)} ms`,
  )
  await reportSize()
  await reportBlocking(accounts)
} finally {
  await store.close().catch(() => undefined)
  rmSync(folder, { recursive: true, force: true })
}

function shortened(all: ReturnType<typeof retentionPolicy>, by: number): ReturnType<typeof retentionPolicy> {
  const entries = Object.entries(all).map(([name, seconds]) => [name, Math.round(seconds / by)])
  return Object.fromEntries(entries) as ReturnType<typeof retentionPolicy>
}

async function makeAccounts(): Promise<readonly AccountRecord[]> {
  const now = clock.now()
  return Promise.all(
    Array.from({ length: ACCOUNTS }, async () => {
      const id = newId(systemRandom, 'account', now)
      const account: AccountRecord = {
        id,
        directory: 'default',
        jwk: { kty: 'EC', crv: 'P-256', x: text(32), y: text(32) },
        thumbprint: text(32),
        spkiSha256: randomBytes(32).toString('hex'),
        contact: ['mailto:operations@corp.internal'],
        createdAt: now,
      }
      await store.accounts.create(account, {
        now,
        audit: { at: now, event: 'account.created', accountId: id, data: {} },
      })
      return account
    }),
  )
}

async function issue(store: Store, accounts: readonly AccountRecord[], seed: number): Promise<void> {
  const now = clock.now()
  const account = accounts[seed % accounts.length] as AccountRecord
  const { directory, id: accountId } = account
  const name = `${randomBytes(6).toString('hex')}.service.internal`
  const identifier = { type: 'dns', value: name } as const
  const orderId = newId(systemRandom, 'order', now)
  const requestId = newId(systemRandom, 'request', now)
  const about = { at: now, requestId, directory, accountId }
  const id = newId(systemRandom, 'authorization', now)
  const challenges = (['http-01', 'dns-01', 'tls-alpn-01'] as const).map((type) => ({
    id: newId(systemRandom, 'challenge', now),
    authorizationId: id,
    type,
    token: text(32),
  }))
  const authorization: AuthorizationRecord = {
    id,
    directory,
    accountId,
    identifier,
    wildcard: false,
    profile: PROFILE.name,
    createdAt: now,
    expiresAt: new Date(now.getTime() + 24 * HOUR_MS),
    challenges,
  }
  const order: OrderRecord = {
    id: orderId,
    directory,
    accountId,
    identifiers: [identifier],
    profile: PROFILE,
    createdAt: now,
    expiresAt: new Date(now.getTime() + 7 * 24 * HOUR_MS),
  }
  for (let i = 0; i < NONCES; i++) await store.nonces.spend(text(16), new Date(now.getTime() + HOUR_MS))
  await store.orders.create(order, {
    authorizationIds: [id],
    newAuthorizations: [authorization],
    now,
    audit: { ...about, event: 'order.created', orderId, data: { identifiers: [`dns:${name}`], profile: PROFILE.name } },
  })
  const [challenge] = challenges
  if (challenge === undefined) throw new Error('no challenge')
  const { id: challengeId } = challenge
  const owner = 'bench'
  const leaseUntil = new Date(now.getTime() + 60_000)
  await store.validationJobs.enqueue(
    { challenge, authorization },
    {
      now,
      keyAuthorization: `${text(32)}.${text(32)}`,
      owner,
      leaseUntil,
      audit: { ...about, event: 'challenge.answered', data: { authorizationId: id, challengeId, type: 'http-01' } },
    },
  )
  const evidence = {
    lookups: [
      {
        name,
        type: 'A',
        outcome: 'found',
        aliases: [],
        records: 1,
        authenticated: false,
        servers: [{ server: '10.0.0.53:53', outcome: 'answered' }],
      },
    ],
    connections: [{ host: name, address: '10.1.2.3', port: 80, outcome: 'connected' }],
    responses: [{ scheme: 'http', host: name, status: 200 }],
  }
  await store.validationJobs.succeed(challengeId, {
    owner,
    now,
    expiresAt: new Date(now.getTime() + 24 * HOUR_MS),
    audit: {
      ...about,
      event: 'validation.succeeded',
      data: { authorizationId: id, challengeId, type: 'http-01', identifier, attempt: 1, evidence },
    },
  })
  const serial = `4${randomBytes(17).toString('hex').slice(1)}`
  const certificate: CertificateRecord = {
    serial,
    issuerId: ISSUER,
    orderId,
    accountId,
    directory,
    identifiers: [identifier],
    profile: PROFILE,
    spkiSha256: randomBytes(32).toString('hex'),
    notBefore: new Date(now.getTime() - 300_000),
    notAfter: new Date(now.getTime() + 24 * HOUR_MS - 300_000),
    tbsDer: randomBytes(470),
    reservedAt: now,
  }
  const facts = {
    issuerId: ISSUER,
    profile: PROFILE.name,
    identifiers: [`dns:${name}`],
    notBefore: certificate.notBefore.toISOString(),
    notAfter: certificate.notAfter.toISOString(),
    spkiSha256: certificate.spkiSha256,
  }
  const intended = { ...about, event: 'certificate.intended', orderId, serial, data: facts }
  await store.certificates.begin(certificate, { now, csrSha256: randomBytes(32).toString('hex'), audit: intended })
  const key = { issuerId: ISSUER, serial }
  const issued = { ...about, event: 'certificate.issued', orderId, serial, data: facts }
  await store.certificates.complete(key, { certificateDer: randomBytes(560), now, audit: issued })
  if (seed % 100 !== 0) return
  const revoked = { ...about, event: 'certificate.revoked', serial, data: { issuerId: ISSUER, reason: 'superseded' } }
  await store.certificates.revoke(key, { now, reason: 4, raiseToKeyCompromise: false, audit: revoked })
}

async function publishCrl(): Promise<void> {
  const now = clock.now()
  const { entries, upTo } = await store.crls.revokedEntries(ISSUER, now)
  const crlDer = randomBytes(200 + 38 * entries.length)
  const nextUpdate = new Date(now.getTime() + 24 * HOUR_MS)
  const audit = {
    at: now,
    event: 'crl.published',
    data: { issuerId: ISSUER, number: String(++crlNumber), entries: entries.length },
  }
  await store.crls.publish({ issuerId: ISSUER, number: crlNumber, thisUpdate: now, nextUpdate, crlDer }, upTo, audit)
}

async function reportSize(): Promise<void> {
  const outside = new DatabaseSync(path)
  outside.exec('PRAGMA wal_checkpoint(TRUNCATE)')
  const number = (sql: string): number => Number(Object.values(outside.prepare(sql).get() ?? {})[0])
  const pages = number('PRAGMA page_count')
  const free = number('PRAGMA freelist_count')
  const pageBytes = number('PRAGMA page_size')
  const sizes = outside
    .prepare(
      `SELECT m.tbl_name AS name, SUM(s.pgsize) AS bytes, SUM(s.payload) AS payload
       FROM (SELECT name, SUM(pgsize) AS pgsize, SUM(payload) AS payload FROM dbstat GROUP BY name) s
       JOIN sqlite_schema m ON m.name = s.name GROUP BY m.tbl_name ORDER BY bytes DESC`,
    )
    .all() as { name: string; bytes: number; payload: number }[]
  console.log('\ntable                        rows          MiB     bytes/row   filled')
  let live = 0
  for (const { name, bytes, payload } of sizes) {
    const rows = number(`SELECT COUNT(*) FROM "${name}"`)
    live += payload
    if (rows > 0)
      console.log(
        `${name.padEnd(22)} ${String(rows).padStart(10)} ${mib(bytes).padStart(12)} ${(bytes / rows).toFixed(0).padStart(13)} ${((payload / bytes) * 100).toFixed(0).padStart(7)} %`,
      )
  }
  const copy = `${path}.compact`
  outside.exec(`VACUUM INTO '${copy}'`)
  outside.close()
  const compact = statSync(copy).size
  rmSync(copy)
  const file = pages * pageBytes
  console.log(
    `\nfile ${mib(file)} MiB, free pages ${mib(free * pageBytes)} MiB (${((free / pages) * 100).toFixed(1)} %), live payload ${mib(live)} MiB; ` +
      `a compact copy ${mib(compact)} MiB; file / compact copy ${(file / compact).toFixed(2)}`,
  )
}

/** One issuance after the other, first alone, then beside the sweep of a backlog of many days (KF-E11). */
async function reportBlocking(accounts: readonly AccountRecord[]): Promise<void> {
  const alone = await latencies(accounts, 300)
  await clock.advance(20 * 24 * HOUR_MS)
  let isOver = false
  let swept = 0
  const sweeping = (async () => {
    while (!isOver) {
      swept += await store.retention.sweep(policy, { now: clock.now(), batch: SWEEP_BATCH })
      // The pause of the real round.
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  })()
  const beside = await latencies(accounts, 300)
  isOver = true
  await sweeping
  console.log(
    `one issuance, store only: alone p50 ${alone.p50} ms, p99 ${alone.p99} ms; beside a sweep (${swept} rows meanwhile) p50 ${beside.p50} ms, p99 ${beside.p99} ms`,
  )
}

async function latencies(accounts: readonly AccountRecord[], count: number): Promise<{ p50: string; p99: string }> {
  const all: number[] = []
  for (let i = 0; i < count; i++) {
    const before = performance.now()
    await issue(store, accounts, i + 1)
    all.push(performance.now() - before)
  }
  all.sort((a, b) => a - b)
  const at = (share: number): string => (all[Math.floor(share * count)] ?? 0).toFixed(1)
  return { p50: at(0.5), p99: at(0.99) }
}

function progress(day: number, startedMs: number): void {
  const rate = ((day * perDay) / ((performance.now() - startedMs) / 1000)).toFixed(0)
  console.log(`day ${Math.round(day)}: ${mib(statSync(path).size)} MiB, ${rate} certificates a second`)
}

function text(bytes: number): string {
  return randomBytes(bytes).toString('base64url')
}

function mib(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(1)
}
