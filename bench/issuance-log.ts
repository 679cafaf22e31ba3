import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '../src/lib/clock.ts'
import { openIssuanceLog } from '../src/recovery/issuance-log.ts'
import { openSqliteStore } from '../src/store/sqlite/engine.ts'
import { RecordingLogger, RecordingMetrics } from '../test/support/recorders.ts'
import { auditEvent, certificateRecord, dnsName, later, repeatableRandom } from '../test/support/records.ts'

/**
 * What the certificates' own log costs: `node bin/pinned-node.mjs bench/issuance-log.ts [certificates]`. Fills a store
 * with issuances, each with the audit events of a whole order, and measures the CPU time in which the log takes them up.
 */
const certificates = Number(process.argv[2] ?? 5000)
const BATCH = 250
/** Audit events of an order beside that of the certificate. */
const OTHER_EVENTS = ['order.created', 'challenge.responded', 'validation.succeeded', 'certificate.intended']

const folder = await mkdtemp(join(tmpdir(), 'chancery-bench-log-'))
const store = await openSqliteStore({ path: join(folder, 'chancery.db'), clock: systemClock })
await store.history.beginFirst('bench', systemClock.now())
const issuanceLog = await openIssuanceLog({
  folder: join(folder, 'issued'),
  store,
  clock: systemClock,
  log: new RecordingLogger(),
  metrics: new RecordingMetrics(),
  delaySeconds: 1,
  keepSeconds: 86_400,
})
let cpuMicros = 0
let fastestMicros = Number.POSITIVE_INFINITY
let slowestMs = 0
try {
  await fill(BATCH)
  await issuanceLog.flush()
  for (let done = 0; done < certificates; done += BATCH) {
    await fill(BATCH)
    const [cpu, at] = [process.cpuUsage(), performance.now()]
    await issuanceLog.flush()
    const { user, system } = process.cpuUsage(cpu)
    cpuMicros += user + system
    fastestMicros = Math.min(fastestMicros, user + system)
    slowestMs = Math.max(slowestMs, performance.now() - at)
  }
  const each = cpuMicros / certificates
  const best = (fastestMicros / BATCH).toFixed(1)
  console.log(`issuance log: ${each.toFixed(1)} µs of CPU per issuance (${best} in the best write), fsync included`)
  console.log(`              slowest write of ${BATCH}: ${slowestMs.toFixed(1)} ms`)
} finally {
  await issuanceLog.stop()
  await store.close()
  await rm(folder, { recursive: true, force: true })
}

async function fill(count: number): Promise<void> {
  const now = systemClock.now()
  await Promise.all(
    Array.from({ length: count }, async () => {
      const record = certificateRecord(now, { identifiers: [dnsName('host-1.example.test')] })
      const about = { serial: record.serial, data: { issuerId: record.issuerId } }
      await store.audit.append(OTHER_EVENTS.map((event) => auditEvent(now, event)))
      await store.certificates.begin(record, { now, audit: auditEvent(now, 'certificate.reserved') })
      const audit = auditEvent(later(now, 1), 'certificate.issued', about)
      await store.certificates.complete(record, { certificateDer: repeatableRandom.bytes(720), now, audit })
    }),
  )
}
