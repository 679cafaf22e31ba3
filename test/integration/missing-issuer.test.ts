import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { systemClock } from '../../src/lib/clock.ts'
import { openSqliteStore } from '../../src/store/sqlite/engine.ts'
import { begin, complete, revoke } from '../contract/store/harness.ts'
import { runChancery, startTestChancery } from '../support/chancery.ts'
import { certificateRecord } from '../support/records.ts'

test('KF-D11 an issuing CA that good certificates need and that is gone is named by the start and by check', async (t) => {
  const home = await mkdtemp(join(tmpdir(), 'chancery-missing-'))
  t.after(() => rm(home, { recursive: true, force: true }))
  await (await startTestChancery({ home })).stop()

  const store = await openSqliteStore({ path: join(home, 'chancery.db'), clock: systemClock })
  const now = new Date()
  const ends = (days: number): Date => new Date(now.getTime() + days * 86_400_000)
  for (const [issuerId, notAfter] of [
    ['ab'.repeat(20), ends(30)],
    ['cd'.repeat(20), ends(-1)],
  ] as const) {
    const certificate = certificateRecord(now, { issuerId, notBefore: ends(-2), notAfter })
    await begin(store, certificate, now)
    await complete(store, certificate, now)
    await revoke(store, certificate, now)
  }
  await store.close()

  const server = await startTestChancery({ home })
  const said = server.log.of('issuer.missing')
  await server.stop()
  assert.deepEqual(
    said.map(({ issuerId }) => issuerId),
    ['ab'.repeat(20)],
    'and not one whose certificates have all ended, nor the one in use',
  )
  const checked = await runChancery(['check'], { home })
  assert.equal(checked.code, 1)
  assert.match(checked.stdout + checked.stderr, /(ab){20} has issued certificates that are still good/)
  assert.doesNotMatch(checked.stdout + checked.stderr, /(cd){20}/)
})

test('KF-D14 an issuing CA that is to be replaced and that nobody knows is named by the start and by check', async (t) => {
  const home = await mkdtemp(join(tmpdir(), 'chancery-replaced-'))
  t.after(() => rm(home, { recursive: true, force: true }))
  const first = await startTestChancery({ home })
  const [own] = first.running.issuers.values()
  await first.stop()
  const set = [`renewalInfo.replacedIssuers=["${own?.id}","${'ef'.repeat(20)}"]`]
  const server = await startTestChancery({ home, set })
  const said = server.log.of('issuer.unknown_replaced')
  await server.stop()
  assert.deepEqual(
    said.map(({ issuerId }) => issuerId),
    ['ef'.repeat(20)],
  )
  const checked = await runChancery(['check', '--set', set[0] ?? ''], { home })
  assert.match(checked.stdout + checked.stderr, /replacedIssuers: no issuing CA here has the key id (ef){20}/)
  assert.ok((checked.stdout + checked.stderr).includes(`there are ${own?.id}`))
})
