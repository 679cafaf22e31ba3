import { DatabaseSync } from 'node:sqlite'
import { systemClock } from '../../src/lib/clock.ts'
import { initial } from '../../src/store/migrations/0001-initial.ts'
import { openSqliteStore } from '../../src/store/sqlite/engine.ts'
import { auditEvent, certificateRecord } from './records.ts'

/**
 * A process of its own on a database, to be killed: `node store-child.ts MODE PATH`.
 *
 * - `hold` opens the store as the server does, says `ready`, and waits
 * - `write` reserves certificates one after the other and prints the serial of each that was acknowledged
 * - `migrate` kills itself in the middle of the second schema step
 */
const [mode, path = ''] = process.argv.slice(2)

if (mode === 'hold') {
  await openSqliteStore({ path, clock: systemClock, exclusive: true })
  console.log('ready')
  setInterval(() => {}, 1000)
} else if (mode === 'write') {
  const store = await openSqliteStore({ path, clock: systemClock, exclusive: true })
  for (;;) {
    const now = systemClock.now()
    const batch = Array.from({ length: 5 }, () => certificateRecord(now))
    await Promise.all(
      batch.map(async (certificate) => {
        await store.certificates.begin(certificate, { now, audit: auditEvent(now, 'certificate.reserved') })
        console.log(certificate.serial)
      }),
    )
  }
} else if (mode === 'migrate') {
  class DiesHalfWay extends DatabaseSync {
    override exec(sql: string): void {
      if (sql.includes('half_way')) process.kill(process.pid, 'SIGKILL')
      super.exec(sql)
    }
  }
  const statements = () => ['CREATE TABLE second (id TEXT)', 'CREATE TABLE half_way (id TEXT)']
  const migrations = [initial, { number: 2, name: 'second', statements }]
  await openSqliteStore({ path, clock: systemClock, migrations, connect: (file) => new DiesHalfWay(file) })
} else {
  throw new Error(`unknown mode ${mode}`)
}
