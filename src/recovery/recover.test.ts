import assert from 'node:assert/strict'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, beforeEach, test } from 'node:test'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { issueInto, SAMPLE_ISSUER, SAMPLE_ISSUER_ID } from '../../test/support/issued.ts'
import { RecordingLogger, RecordingMetrics } from '../../test/support/recorders.ts'
import { auditEvent, eabKeyRecord, repeatableRandom } from '../../test/support/records.ts'
import { openTestStore, type TestStore } from '../../test/support/store.ts'
import { sampleCa } from '../../test/support/x509-samples.ts'
import { openSqliteStore } from '../store/sqlite/engine.ts'
import { takeSnapshot } from '../store/sqlite/snapshot.ts'
import type { Store } from '../store/store.ts'
import { type IssuanceLog, openIssuanceLog } from './issuance-log.ts'
import { listLogFiles } from './log-files.ts'
import { type RecoverOptions, type RecoveryReport, recover } from './recover.ts'

let clock: FakeClock
let live: TestStore
let folder: string
let issuanceLog: IssuanceLog
const started: TestStore[] = []

beforeEach(async () => {
  clock = new FakeClock()
  live = await openTestStore(clock)
  started.push(live)
  await live.store.history.beginFirst('first life', clock.now())
  folder = join(live.path, '..', 'issued')
  issuanceLog = await follow(live.store)
})

after(async () => {
  for (const { path } of started) await rm(join(path, '..'), { recursive: true, force: true })
})

function follow(store: Store): Promise<IssuanceLog> {
  const log = new RecordingLogger()
  const metrics = new RecordingMetrics()
  return openIssuanceLog({ folder, store, clock, log, metrics, delaySeconds: 1, keepSeconds: 3600 })
}

/** The store as it is now, in a file of its own. */
async function copyOf(name: string): Promise<Store> {
  const path = join(live.path, '..', name)
  await takeSnapshot(live.path, path)
  return openSqliteStore({ path, clock })
}

function recovered(store: RecoverOptions['store'], options: Partial<RecoverOptions> = {}): Promise<RecoveryReport> {
  return recover({
    store,
    logs: [folder],
    issuers: new Map([[SAMPLE_ISSUER_ID, SAMPLE_ISSUER.certificate]]),
    crlNumbers: new Map(),
    keepEabKeys: false,
    source: 'test',
    clock,
    random: repeatableRandom,
    ...options,
  })
}

const namesOf = (report: RecoveryReport): string[] => report.certificates.flatMap(({ names }) => names)

async function newEabKey(store: Store): Promise<void> {
  const key = eabKeyRecord(clock.now())
  await store.eabKeys.create(key, auditEvent(clock.now(), 'eab-key.created', { data: { keyId: key.id } }))
}

test('KF-E08 what the log knows beyond the copy is put back, and nothing else', async () => {
  await issueInto(live.store, 'before.test', clock.now())
  await issuanceLog.flush()
  const copy = await copyOf('copy.db')
  await issueInto(live.store, 'since.test', clock.now())
  await issuanceLog.stop()
  const report = await recovered(copy)
  assert.equal(report.coverage, 'complete')
  assert.deepEqual(namesOf(report), ['since.test'])
  assert.deepEqual(
    report.certificates.map(({ outcome }) => outcome),
    ['added'],
  )
  await copy.close()
})

test('KF-E08 what was not committed yet when PostgreSQL was copied is put back, although later events are in the copy', async () => {
  await issueInto(live.store, 'before.test', clock.now())
  await issuanceLog.flush()
  await issueInto(live.store, 'late.test', clock.now())
  const late = (await live.store.history.newest())?.id ?? 0
  await issueInto(live.store, 'early.test', clock.now())
  const path = join(live.path, '..', 'copy.db')
  await takeSnapshot(live.path, path)
  await issuanceLog.flush()
  await issueInto(live.store, 'since.test', clock.now())
  await issuanceLog.stop()
  // As a copy of one moment on an engine with many writers would show it: the number was given, the row not yet there.
  const made = new DatabaseSync(path)
  made.exec(`DELETE FROM certificates WHERE identifiers LIKE '%late.test%'`)
  made.exec(`DELETE FROM audit_events WHERE id = ${late}`)
  made.close()
  const copy = await openSqliteStore({ path, clock })
  const report = await recovered(copy)
  assert.deepEqual([report.coverage, namesOf(report)], ['complete', ['late.test', 'since.test']])
  await copy.close()
})

test('KF-E08 a copy of which nothing was lost is covered by its log', async () => {
  await issueInto(live.store, 'before.test', clock.now())
  await issuanceLog.flush()
  const copy = await copyOf('copy.db')
  await issuanceLog.stop()
  const report = await recovered(copy)
  assert.deepEqual([report.coverage, namesOf(report)], ['complete', []])
  await copy.close()
})

test('KF-B14 KF-E08 a log that is behind the copy, or begins after it, does not keep external account keys alive', async () => {
  await newEabKey(live.store)
  await issuanceLog.flush()
  await issueInto(live.store, 'unlogged.test', clock.now())
  const behind = await copyOf('behind.db')
  const report = await recovered(behind)
  assert.equal(report.coverage, 'part')
  assert.equal(report.ended.eabKeys, 1)
  await behind.close()

  const early = await copyOf('early.db')
  await issueInto(live.store, 'a.test', clock.now())
  await issuanceLog.flush()
  await clock.advance(25 * 3_600_000)
  await issueInto(live.store, 'b.test', clock.now())
  await issuanceLog.stop()
  const [oldest] = await listLogFiles(folder)
  await rm(oldest?.path ?? '')
  const late = await recovered(early)
  assert.equal(late.coverage, 'part')
  assert.deepEqual(namesOf(late), ['b.test'])
  assert.equal(late.eabKeys.voided, true)
  await early.close()
})

test('KF-B14 the risk of keeping external account keys without a log is taken only when told to', async () => {
  await newEabKey(live.store)
  await issuanceLog.stop()
  const copy = await copyOf('copy.db')
  const kept = await recovered(copy, { logs: [], keepEabKeys: true })
  assert.deepEqual([kept.coverage, kept.eabKeys.voided, kept.ended.eabKeys], ['none', false, 0])
  const ended = await recovered(copy, { logs: [] })
  assert.deepEqual([ended.epoch, ended.eabKeys.voided, ended.ended.eabKeys], [2, true, 1])
  await copy.close()
})

test('KF-E08 a second restore from the same backup knows also what the first restored life issued', async () => {
  await issueInto(live.store, 'before.test', clock.now())
  await issuanceLog.flush()
  const [first, second] = [await copyOf('first.db'), await copyOf('second.db')]
  await issueInto(live.store, 'first-life.test', clock.now())
  await issuanceLog.stop()
  await recovered(first)
  const next = await follow(first)
  await issueInto(first, 'second-life.test', clock.now())
  await next.stop()
  const report = await recovered(second)
  assert.equal(report.coverage, 'complete')
  assert.deepEqual(new Set(namesOf(report)), new Set(['first-life.test', 'second-life.test']))
  for (const { serial } of report.certificates) assert.equal((await second.certificates.findBySerial(serial)).length, 1)
  await first.close()
  await second.close()
})

test('KF-E08 a restored copy, lost again, is covered by the log of its own life', async () => {
  await issueInto(live.store, 'before.test', clock.now())
  await issuanceLog.flush()
  const copy = await copyOf('copy.db')
  await issuanceLog.stop()
  await recovered(copy)
  const path = join(live.path, '..', 'again.db')
  const next = await follow(copy)
  await next.flush()
  await takeSnapshot(join(live.path, '..', 'copy.db'), path)
  await issueInto(copy, 'since.test', clock.now())
  await next.stop()
  const again = await openSqliteStore({ path, clock })
  const report = await recovered(again)
  assert.deepEqual([report.epoch, report.coverage, namesOf(report)], [2, 'complete', ['since.test']])
  await copy.close()
  await again.close()
})

test('KF-E08 the log of another CA puts nothing into the store, and its certificates are named', async () => {
  const copy = await copyOf('copy.db')
  await issueInto(live.store, 'foreign.test', clock.now(), sampleCa('Another CA'))
  await issuanceLog.stop()
  const report = await recovered(copy)
  assert.deepEqual(
    report.certificates.map(({ names, outcome }) => [names[0], outcome]),
    [['foreign.test', 'foreign']],
  )
  assert.deepEqual(await copy.certificates.findBySerial(report.certificates[0]?.serial ?? ''), [])
  await copy.close()
  const other = await openTestStore(clock)
  started.push(other)
  await other.store.history.beginFirst('another life', clock.now())
  await assert.rejects(recovered(other.store), /the log of another database/)
  assert.equal((await other.store.history.lineages()).length, 1)
  await other.cleanup()
})

test('KF-E08 a recovery that is cut short at any step is done again to the same end', async () => {
  await newEabKey(live.store)
  await issuanceLog.flush()
  const copy = await copyOf('copy.db')
  await issueInto(live.store, 'since.test', clock.now())
  await issuanceLog.stop()
  for (const step of ['putCertificates', 'putAccounts', 'finish'] as const) {
    const failing = { ...copy.recovery, [step]: () => Promise.reject(new Error('power cut')) }
    await assert.rejects(recovered({ history: copy.history, recovery: failing }), /power cut/, step)
    const last = (await copy.history.lineages()).at(-1)
    assert.deepEqual([last?.epoch, last?.finishedAt], [1, undefined])
  }
  const report = await recovered(copy)
  assert.deepEqual([report.epoch, report.coverage, namesOf(report)], [1, 'complete', ['since.test']])
  await copy.close()
})
