import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { RecordingLogger, RecordingMetrics } from '../../test/support/recorders.ts'
import { readConfig } from '../config/read.ts'
import { systemClock } from '../lib/clock.ts'
import { createBackground } from './background.ts'
import { scheduleBackups } from './backup-schedule.ts'
import { openHome } from './home.ts'

test('KF-E14 the end of the server does not wait for a backup of a database that says nothing any more', {
  timeout: 60_000,
}, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'chancery-backup-schedule-'))
  t.after(() => rm(folder, { recursive: true }))
  const silent = createServer((socket) => void t.after(() => socket.destroy()))
  t.after(() => silent.close())
  silent.listen(0, '127.0.0.1')
  await once(silent, 'listening')
  const { port } = silent.address() as AddressInfo
  const config = await readConfig({
    home: folder,
    set: [
      `store.url=postgres://chancery@127.0.0.1:${port}/chancery`,
      'store.postgres.connectTimeout=1h',
      `backup.directory=${join(folder, 'backups')}`,
      'backup.every=1h',
    ],
  })
  const [log, metrics] = [new RecordingLogger(), new RecordingMetrics()]
  const background = createBackground({ clock: systemClock, log })
  const home = await openHome(folder)
  const asked = once(silent, 'connection')
  scheduleBackups({ home, config, version: 'test', clock: systemClock, log, metrics, background })
  await asked
  await background.stop()
  assert.deepEqual(await readdir(join(folder, 'backups')), [])
  assert.deepEqual(
    log.lines.map(({ event }) => event),
    ['backup.cut-short'],
  )
})
