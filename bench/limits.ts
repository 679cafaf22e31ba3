/**
 * What the limiter costs for each request and each order, with few keys known and with many (KF-F05):
 * `npm run bench:limits`, or `node bin/pinned-node.mjs bench/limits.ts --keys 1000,100000,1000000`.
 */
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { parseArgs } from 'node:util'
import { configSchema } from '../src/config/schema.ts'
import { systemClock } from '../src/lib/clock.ts'
import type { AccountId } from '../src/lib/ids.ts'
import { systemRandom } from '../src/lib/random.ts'
import type { ClientAddress } from '../src/limits/client-address.ts'
import { createLimits } from '../src/limits/create-limits.ts'
import { nameSetKey } from '../src/limits/name-keys.ts'
import type { AccountRecord } from '../src/store/records.ts'
import { openSqliteStore } from '../src/store/sqlite/engine.ts'
import { RecordingLogger, RecordingMetrics } from '../test/support/recorders.ts'

const { values } = parseArgs({
  options: {
    keys: { type: 'string', default: '1000,10000,100000,1000000' },
    rounds: { type: 'string', default: '20000' },
  },
})
const rounds = Number(values.rounds)

console.log('keys known | address, per request | renewal, per order | new name, warm | new name, cold | heap + arrays')
for (const keys of values.keys.split(',').map(Number)) console.log(await measure(keys))

async function measure(keys: number): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'chancery-bench-limits-'))
  const path = join(folder, 'chancery.db')
  const store = await openSqliteStore({ path, clock: systemClock })
  try {
    fill(path, keys)
    const limits = createLimits({
      config: configSchema.parse({}).limits,
      store: store.limits,
      clock: systemClock,
      random: systemRandom,
      log: new RecordingLogger(),
      metrics: new RecordingMetrics(),
    })
    for (let i = 0; i < keys; i++) limits.request(address(i), 'order')
    const account = (id: string) => ({ id: id as AccountId }) as AccountRecord
    const order = (id: string, name: string) =>
      limits.order({
        directory: 'default',
        account: account(id),
        identifiers: [{ type: 'dns', value: name }],
        isOrder: true,
      })
    const requests = await cpu(rounds * 10, (i) => {
      limits.request(address(i % keys), 'order')
    })
    const warm = await cpu(rounds, (i) => order('acc_warm', `host${i}.warm.test`))
    const cold = await cpu(rounds / 4, (i) => order(`acc_cold${i}`, `host.cold${i}.test`))
    const renewals = await cpu(rounds, (i) => order(`acc_known${i % keys}`, 'a.known.test'))
    const { heapUsed, arrayBuffers } = process.memoryUsage()
    const cells = [requests, renewals, warm, cold].map((us) => `${us.toFixed(1)} µs`)
    return [String(keys), ...cells, `${((heapUsed + arrayBuffers) / 2 ** 20).toFixed(0)} MiB`].join(' | ')
  } finally {
    await store.close()
    await rm(folder, { recursive: true, force: true })
  }
}

/** CPU of this process for each call, in microseconds; 64 calls are under way at once, so that commits are shared. */
async function cpu(count: number, call: (index: number) => unknown): Promise<number> {
  const started = process.cpuUsage()
  for (let at = 0; at < count; at += 64) {
    await Promise.all(Array.from({ length: Math.min(64, count - at) }, (_, i) => call(at + i)))
  }
  const { user, system } = process.cpuUsage(started)
  return (user + system) / count
}

function address(index: number): ClientAddress {
  const text = `10.${(index >> 16) & 255}.${(index >> 8) & 255}.${index & 255}`
  return { text, key: `${text}/32` }
}

/** Rows as `keys` accounts leave them that each ordered, were issued a certificate and had a name fail. */
function fill(path: string, keys: number): void {
  const database = new DatabaseSync(path)
  const now = Date.now()
  const [rates, sets, failures] = [
    database.prepare('INSERT INTO rate_limits (key, tat, previous_tat, expires_at) VALUES (?, ?, 0, ?)'),
    database.prepare('INSERT INTO issued_name_sets (key, tat, renewable_until) VALUES (?, ?, ?)'),
    database.prepare('INSERT INTO name_failures VALUES (?, ?, ?, ?, ?, 3, ?, 0, ?)'),
  ]
  database.exec('BEGIN')
  for (let i = 0; i < keys; i++) {
    const later = now + 3_600_000 + i
    rates.run(`newNamesPerAccount:acc_${randomBytes(16).toString('base64url')}`, later * 1000, later)
    sets.run(nameSetKey(`acc_known${i}`, [{ type: 'dns', value: 'a.known.test' }]), now * 1000, later + 86_400_000)
    failures.run(`acc_known${i}/dns:a.known.test`, 'default', `acc_known${i}`, 'dns', 'a.known.test', now, later)
  }
  database.exec('COMMIT')
  database.close()
}
