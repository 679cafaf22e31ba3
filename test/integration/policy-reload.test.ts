import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { AcmeTestClient } from '../support/acme-test-client.ts'
import { spawnChancery } from '../support/chancery.ts'

/** A thousand rules and one that changes. */
function rules(name: string): string {
  const many = Array.from({ length: 1_000 }, (_, i) => `  - { name: team-${i}, names: { dns: ['**.t${i}.test'] } }`)
  return `version: 1\nrules:\n  - { name: changing, names: { dns: ['${name}.test'] } }\n${many.join('\n')}\n`
}

test('KF-E14 SIGHUP puts a changed file into force while orders are placed, none of which is dropped', async (t) => {
  const home = await mkdtemp(join(tmpdir(), 'chancery-reload-'))
  const file = join(home, 'rules.yaml')
  await writeFile(file, rules('before'))
  const chancery = await spawnChancery({ home, set: ['policy.file=rules.yaml'] })
  const client = new AcmeTestClient({ directoryUrl: chancery.urls.directory, ca: chancery.rootPem })
  t.after(async () => {
    client.close()
    await chancery.stop()
    await rm(home, { recursive: true, force: true })
  })
  assert.equal((await client.newAccount()).status, 201)
  assert.equal((await client.newOrder(['before.test'])).status, 201)
  assert.equal((await client.newOrder(['after.test'])).status, 403)

  const count = (event: string): number => chancery.stdout().split(`"event":"${event}"`).length - 1
  let placed = 0
  /** Orders go on until the server says so; as slow as the machine may be. */
  const placeUntil = async (event: string, times: number): Promise<void> => {
    for (let left = 20_000; count(event) < times; left--) {
      assert.ok(left > 0, `no ${event}`)
      const reply = await client.newOrder([`www.t${placed++ % 1_000}.test`])
      assert.equal(reply.status, 201, reply.text)
    }
  }
  await writeFile(file, rules('after'))
  process.kill(chancery.pid, 'SIGHUP')
  await placeUntil('policy.loaded', 2)
  await writeFile(file, 'version: 1\nrules: [{ nam: x }]')
  process.kill(chancery.pid, 'SIGHUP')
  await placeUntil('policy.refused', 1)
  assert.ok(placed > 5, String(placed))
  assert.equal((await client.newOrder(['after.test'])).status, 201)
  assert.equal((await client.newOrder(['before.test'])).status, 403)
  const metrics = await (await fetch(`${chancery.urls.admin}/metrics`)).text()
  assert.match(metrics, /chancery_policy_refused 1/)
  assert.match(metrics, /chancery_policy_reloads_total\{outcome="changed"\} 1/)
  assert.match(metrics, /chancery_policy_rules 1001/)
})
