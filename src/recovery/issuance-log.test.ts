import assert from 'node:assert/strict'
import { appendFile, chmod, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, beforeEach, test } from 'node:test'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { issueInto, revokeIn } from '../../test/support/issued.ts'
import { RecordingLogger, RecordingMetrics } from '../../test/support/recorders.ts'
import { accountRecord, auditEvent, eabKeyRecord, hours, later } from '../../test/support/records.ts'
import { openTestStore, type TestStore } from '../../test/support/store.ts'
import type { ChangePage } from '../store/history.ts'
import { type IssuanceLog, type IssuanceLogOptions, openIssuanceLog } from './issuance-log.ts'
import { readLog } from './log-files.ts'
import type { LogRecord } from './log-records.ts'
import { withLoggedEndings } from './logged-store.ts'

let clock: FakeClock
const log = new RecordingLogger()
const folders: string[] = []
let under: TestStore
let folder: string

beforeEach(async () => {
  clock = new FakeClock()
  under = await openTestStore(clock)
  await under.store.history.beginFirst('first life', clock.now())
  folder = join(under.path, '..', 'issued')
  folders.push(under.path)
})

after(async () => {
  for (const path of folders) await rm(join(path, '..'), { recursive: true, force: true })
})

function open(options: Partial<IssuanceLogOptions> = {}): Promise<IssuanceLog> {
  return openIssuanceLog({
    folder,
    store: under.store,
    clock,
    log,
    metrics: new RecordingMetrics(),
    delaySeconds: 1,
    keepSeconds: 86_400,
    ...options,
  })
}

async function records(): Promise<LogRecord[]> {
  const found: LogRecord[] = []
  for await (const segment of readLog(folder)) found.push(segment.header, ...segment.records)
  return found
}

async function names(): Promise<string[]> {
  return (await records()).flatMap((one) =>
    one.kind === 'certificate' ? one.certificate.identifiers.map(({ value }) => value) : [],
  )
}

/** The files of the log, oldest first. */
async function files(): Promise<string[]> {
  return (await readdir(folder))
    .filter((name) => name.endsWith('.log'))
    .sort()
    .map((name) => join(folder, name))
}

const newestFile = async (): Promise<string> => (await files()).at(-1) ?? ''

test('KF-E08 the log holds what was issued and revoked, as the store has it, for its owner alone', async () => {
  const issuanceLog = await open()
  const certificate = await issueInto(under.store, 'a.test', clock.now())
  await revokeIn(under.store, certificate, clock.now())
  await issuanceLog.flush()
  const kinds = (await records()).map(({ kind }) => kind)
  assert.deepEqual(kinds, ['segment', 'certificate', 'revocation', 'mark'])
  const [, issued, revocation] = await records()
  assert.ok(issued?.kind === 'certificate' && revocation?.kind === 'revocation')
  const { certificateDer, issuedAt, accountId, orderId } = certificate
  assert.deepEqual(
    { ...issued.certificate },
    {
      issuerId: certificate.issuerId,
      serial: certificate.serial,
      identifiers: certificate.identifiers,
      profile: certificate.profile,
      notAfter: certificate.notAfter,
      reservedAt: certificate.reservedAt,
      issuedAt,
      certificateDer,
      ...(accountId && { accountId }),
      ...(orderId && { orderId }),
    },
  )
  assert.equal(revocation.serial, certificate.serial)
  assert.equal((await stat(folder)).mode & 0o777, 0o700)
  assert.equal((await stat(await newestFile())).mode & 0o777, 0o600)
  await issuanceLog.stop()
})

test('KF-E08 what was committed while no log was written is written at the next start, once', async () => {
  await issueInto(under.store, 'before.test', clock.now())
  const first = await open()
  await first.flush()
  await issueInto(under.store, 'between.test', clock.now())
  await first.stop()
  await issueInto(under.store, 'after.test', clock.now())
  const second = await open()
  await second.flush()
  await second.stop()
  assert.deepEqual(await names(), ['before.test', 'between.test', 'after.test'])
})

test('KF-E08 the log follows by itself', async () => {
  const issuanceLog = await open()
  issuanceLog.start(assert.fail)
  await clock.advance(10)
  await issueInto(under.store, 'a.test', clock.now())
  await clock.advance(1500)
  await issuanceLog.stop()
  assert.deepEqual(await names(), ['a.test'])
})

test('KF-E08 a line that a crash cut off counts for nothing, and is written again', async () => {
  const first = await open()
  await issueInto(under.store, 'whole.test', clock.now())
  await first.flush()
  await issueInto(under.store, 'torn.test', clock.now())
  await first.stop()
  const path = await newestFile()
  await truncate(path, (await stat(path)).size - 700)
  assert.deepEqual(await names(), ['whole.test'])
  const second = await open()
  await second.flush()
  await second.stop()
  assert.deepEqual(await names(), ['whole.test', 'torn.test'])
  assert.equal((await files()).length, 2)
})

test('KF-E08 zeros at the end, as a power cut leaves them, are a torn end too', async () => {
  const first = await open()
  await issueInto(under.store, 'a.test', clock.now())
  await first.stop()
  await appendFile(await newestFile(), Buffer.alloc(5000))
  const second = await open()
  await issueInto(under.store, 'b.test', clock.now())
  await second.stop()
  assert.deepEqual(await names(), ['a.test', 'b.test'])
})

test('KF-E08 a file that a crash left without a first line is replaced', async () => {
  const first = await open()
  await issueInto(under.store, 'a.test', clock.now())
  await first.stop()
  await writeFile(join(folder, 'issued-00000002.log'), '')
  assert.deepEqual(await names(), ['a.test'])
  const second = await open()
  await issueInto(under.store, 'b.test', clock.now())
  await second.stop()
  assert.deepEqual(await names(), ['a.test', 'b.test'])
})

test('KF-E08 a flipped bit, a changed line and a missing file in the middle are found', async () => {
  for (const name of ['a.test', 'b.test', 'c.test']) {
    const issuanceLog = await open()
    await issueInto(under.store, name, clock.now())
    await issuanceLog.stop()
  }
  const [first = '', second = ''] = await files()
  const good = await readFile(first)
  const flipped = Buffer.from(good)
  flipped[flipped.length - 300] = (flipped[flipped.length - 300] ?? 0) ^ 1
  await writeFile(first, flipped)
  await assert.rejects(records(), /damaged at byte/)
  await writeFile(first, good.toString('latin1').replace('a.test', 'x.test'), 'latin1')
  await assert.rejects(records(), /damaged at byte/)
  await writeFile(first, good)
  assert.deepEqual(await names(), ['a.test', 'b.test', 'c.test'])
  await rm(second)
  await assert.rejects(records(), /00000002.log is missing/)
})

test('KF-E08 a database that was replaced by an earlier copy is refused, and the advice says what to do', async () => {
  const { DatabaseSync } = await import('node:sqlite')
  const issuanceLog = await open()
  await issueInto(under.store, 'a.test', clock.now())
  await issuanceLog.flush()
  await under.store.audit.append([auditEvent(clock.now(), 'crl.published', { data: {} })])
  await issuanceLog.stop()
  const connection = new DatabaseSync(under.path)
  // An older copy lacks the newest events.
  connection.exec('DELETE FROM audit_events WHERE id = (SELECT MAX(id) FROM audit_events)')
  await assert.rejects(open(), /the database is older than the log.*chancery restore --in-place/s)
  // One that went on by itself numbers alike, but says something else.
  await under.store.audit.append([auditEvent(later(clock.now(), 5), 'account.created'), auditEvent(clock.now(), 'x')])
  await assert.rejects(open(), /older than the log/)
  connection.close()
})

test('KF-E08 the log of another database is refused', async () => {
  const issuanceLog = await open()
  await issueInto(under.store, 'a.test', clock.now())
  await issuanceLog.stop()
  const other = await openTestStore(clock)
  await other.store.history.beginFirst('another life', clock.now())
  await assert.rejects(open({ store: other.store }), /the log of another database/)
  await other.cleanup()
})

test('KF-E08 after a restore the log goes on in the next life, and tells again what came over', async () => {
  const issuanceLog = await open()
  await issueInto(under.store, 'a.test', clock.now())
  await issuanceLog.stop()
  await under.store.recovery.begin('second life', clock.now())
  await under.store.recovery.finish({
    now: clock.now(),
    error: { type: 'serverInternal', detail: '', status: 500 },
    voidSecrets: [],
    voidEabKeys: true,
    crlNumbers: new Map(),
    audit: () => auditEvent(clock.now(), 'store.restored'),
  })
  const next = await open()
  await issueInto(under.store, 'b.test', clock.now())
  await next.stop()
  assert.deepEqual(await names(), ['a.test', 'b.test'])
  const headers = (await records()).flatMap((one) => (one.kind === 'segment' ? [one.lineage] : []))
  assert.deepEqual(headers, ['first life', 'second life'])
})

test('KF-E07 a second writer of one log is refused at once', async () => {
  const issuanceLog = await open()
  await assert.rejects(open(), /another server writes this log.*issuanceLog.path/)
  await issuanceLog.stop()
  await (await open()).stop()
})

test('KF-G07 a folder that others can reach is refused, with the command that closes it', async () => {
  await (await open()).stop()
  await chmod(folder, 0o755)
  await assert.rejects(open(), new RegExp(`chmod 700 ${folder}`))
})

test('KF-E03 a log that cannot be written says so, loses nothing, and goes on when the disk is well', async () => {
  const issuanceLog = await open()
  await issueInto(under.store, 'a.test', clock.now())
  await issuanceLog.flush()
  // A file of the next name that somebody else put there is in the way of the next file.
  await clock.advance(hours(25))
  const obstacle = join(folder, 'issued-00000002.log')
  const { mkdir, rmdir } = await import('node:fs/promises')
  await mkdir(obstacle)
  await issueInto(under.store, 'b.test', clock.now())
  await assert.rejects(issuanceLog.flush(), /the log cannot be written/)
  assert.match(issuanceLog.problem() ?? '', /cannot be written/)
  await rmdir(obstacle)
  await issuanceLog.flush()
  assert.equal(issuanceLog.problem(), undefined)
  await issuanceLog.stop()
  assert.deepEqual(await names(), ['a.test', 'b.test'])
})

test('files of the log go when everything in them ended long ago, the oldest first and never the last', async () => {
  const issuanceLog = await open()
  for (const name of ['a.test', 'b.test', 'c.test']) {
    await clock.advance(hours(25))
    await issueInto(under.store, name, clock.now())
    await issuanceLog.flush()
  }
  assert.equal((await files()).length, 3)
  // a ended a day after its issue, and is kept for one more.
  assert.equal(await issuanceLog.prune(), 1)
  assert.deepEqual(await names(), ['b.test', 'c.test'])
  await clock.advance(hours(24 * 30))
  assert.equal(await issuanceLog.prune(), 1)
  assert.equal(await issuanceLog.prune(), 0)
  await issuanceLog.stop()
  assert.deepEqual(await names(), ['c.test'])
  await (await open()).stop()
})

test('KF-E08 an event that becomes visible late, as engines with many writers have it, is in the log', async () => {
  const hidden = new Set<number>()
  const { history } = under.store
  const late = {
    ...history,
    changes: async (range: Parameters<typeof history.changes>[0]): Promise<ChangePage> => {
      const page = await history.changes(range)
      const all = Array.from({ length: page.newest - range.after }, (_, index) => range.after + 1 + index)
      const ids = all.filter((id) => !hidden.has(id))
      return { ...page, changes: page.changes.filter(({ id }) => !hidden.has(id)), ids }
    },
  }
  await issueInto(under.store, 'first.test', clock.now())
  const issuanceLog = await open({ store: { history: late } })
  await issuanceLog.flush()
  await issueInto(under.store, 'late.test', clock.now())
  hidden.add((await history.newest())?.id ?? 0)
  await issueInto(under.store, 'early.test', clock.now())
  await issuanceLog.flush()
  assert.deepEqual(await names(), ['first.test', 'early.test'])
  hidden.clear()
  await issuanceLog.flush()
  await issuanceLog.stop()
  assert.deepEqual(await names(), ['first.test', 'early.test', 'late.test'])
})

test('KF-E08 KF-B14 the use of an external account key is confirmed when the log has it', async () => {
  const { store } = under
  const issuanceLog = await open()
  const logged = withLoggedEndings(store, issuanceLog, { clock, log })
  const key = eabKeyRecord(clock.now())
  await store.eabKeys.create(key, auditEvent(clock.now(), 'eab-key.created', { data: { keyId: key.id } }))
  const account = accountRecord(clock.now(), { eabKeyId: key.id })
  const of = { directory: account.directory, accountId: account.id }
  const audit = auditEvent(clock.now(), 'account.created', of)
  await logged.accounts.create(account, { now: clock.now(), eab: key.id, audit })
  const uses = (await records()).filter((one) => one.kind === 'eab-key' && one.key.usedBy === account.id)
  assert.ok(uses.length > 0)
  assert.ok((await records()).some((one) => one.kind === 'account' && one.account.id === account.id))
  await issuanceLog.stop()
})

test('KF-E08 a log that does not answer keeps nobody waiting for longer than two seconds', async () => {
  const { store } = under
  const certificate = await issueInto(store, 'a.test', clock.now())
  const stuck = { flush: () => new Promise<void>(() => {}) }
  const revoking = revokeIn(withLoggedEndings(store, stuck, { clock, log }), certificate, clock.now())
  while (clock.sleeping === 0) await new Promise((resolve) => setImmediate(resolve))
  await clock.advance(2_001)
  await revoking
})

test('KF-F23 a crowd that waits for the log makes no line of passes, and each finds its own in it', async () => {
  const { history } = under.store
  let passes = 0
  const slow: typeof history = {
    ...history,
    changes: async (range) => {
      passes++
      for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
      return history.changes(range)
    },
  }
  const issuanceLog = await open({ store: { history: slow } })
  const waiting: Promise<void>[] = []
  const expected: string[] = []
  for (let i = 0; i < 10; i++) {
    const name = `n${i}.test`
    await issueInto(under.store, name, clock.now())
    expected.push(name)
    for (let crowd = 0; crowd < 50; crowd++)
      waiting.push(issuanceLog.flush().then(async () => assert.ok((await names()).includes(name))))
  }
  await Promise.all(waiting)
  assert.ok(passes <= 2 * expected.length, `${passes} passes`)
  assert.deepEqual(await names(), expected)
  const before = passes
  const crowd = Array.from({ length: 500 }, () => issuanceLog.flush())
  await issuanceLog.stop()
  await Promise.all(crowd)
  assert.ok(passes - before <= 3, `${passes - before} passes to the end`)
})
