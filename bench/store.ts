import { generateKeyPairSync, sign, verify } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { parseArgs } from 'node:util'
import { systemClock } from '../src/lib/clock.ts'
import type { AccountRecord } from '../src/store/records.ts'
import { connectSqlite } from '../src/store/sqlite/connection.ts'
import { openSqliteStore } from '../src/store/sqlite/engine.ts'
import { issueThroughStore, newAccount } from './store-road.ts'

const USAGE = `usage: npm run bench:store -- [--orders N] [--rounds N] [--concurrency N[,N…]] [--accounts N]

What one issuance costs in the SQLite store alone: the calls of an http-01 order, without HTTP, JWS and signing. Prints
one line of JSON for each concurrency. CPU is of this process; orders are drawn up in it too, which costs some 0.03 ms.
`

const { values } = parseArgs({
  options: {
    orders: { type: 'string', default: '400' },
    concurrency: { type: 'string', default: '1,16,128' },
    accounts: { type: 'string', default: '4' },
    rounds: { type: 'string', default: '7' },
    help: { type: 'boolean', default: false },
  },
})
if (values.help) process.stdout.write(USAGE)
else await main()

async function main(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'chancery-bench-store-'))
  const statements = new Map<string, number>()
  const store = await openSqliteStore({
    path: join(folder, 'chancery.db'),
    clock: systemClock,
    exclusive: true,
    ...(process.env['COUNT'] && { connect: countingConnect(statements) }),
  })
  try {
    const accounts: AccountRecord[] = []
    for (let i = 0; i < Number(values.accounts); i++) accounts.push(await newAccount(store, systemClock.now()))
    let named = 0
    const run = async (orders: number, concurrency: number): Promise<void> => {
      let left = orders
      const worker = async (index: number): Promise<void> => {
        while (left-- > 0) {
          const account = accounts[index % accounts.length]
          if (account === undefined) throw new Error('there is no account')
          await issueThroughStore(store, account, `host-${named++}.internal`, systemClock.now())
        }
      }
      await Promise.all(Array.from({ length: concurrency }, (_, index) => worker(index)))
    }
    await run(500, 16)
    for (const concurrency of values.concurrency.split(',').map(Number)) {
      statements.clear()
      const orders = Number(values.orders)
      const rounds: Round[] = []
      for (let round = 0; round < Number(values.rounds); round++)
        rounds.push(await measure(orders, () => run(orders, concurrency)))
      const best = rounds.toSorted((a, b) => a.cpuMsPerOrder - b.cpuMsPerOrder)[0]
      const middle = rounds.toSorted((a, b) => a.timesFloor - b.timesFloor)[rounds.length >> 1]
      process.stdout.write(`${JSON.stringify({ concurrency, best, middle })}\n`)
      for (const [sql, n] of [...statements].sort((a, b) => b[1] - a[1]).slice(0, 60))
        console.log((n / orders / rounds.length).toFixed(2), sql.replace(/\s+/g, ' ').slice(0, 110))
    }
  } finally {
    await store.close()
    await rm(folder, { recursive: true, force: true })
  }
}

function countingConnect(counts: Map<string, number>): typeof connectSqlite {
  return (path, options) => {
    const connection = connectSqlite(path, options)
    const prepare = connection.prepare.bind(connection)
    connection.prepare = ((sql: string) => {
      const statement = prepare(sql)
      for (const method of ['get', 'all', 'run'] as const) {
        const original = statement[method].bind(statement) as (...p: unknown[]) => unknown
        ;(statement as unknown as Record<string, unknown>)[method] = (...p: unknown[]) => {
          counts.set(sql, (counts.get(sql) ?? 0) + 1)
          return original(...p)
        }
      }
      return statement
    }) as typeof connection.prepare
    return connection
  }
}

interface Round {
  readonly cpuMsPerOrder: number
  readonly systemMsPerOrder: number
  readonly cryptoFloorMs: number
  readonly timesFloor: number
  readonly ordersPerSecond: number
  readonly loopDelayP99Ms: number
  readonly loopDelayMaxMs: number
}

async function measure(orders: number, work: () => Promise<void>): Promise<Round> {
  const floorBefore = cpuFloorMs()
  const delay = monitorEventLoopDelay({ resolution: 1 })
  const begun = performance.now()
  const cpu = process.cpuUsage()
  delay.enable()
  await work()
  delay.disable()
  const { user, system } = process.cpuUsage(cpu)
  const seconds = (performance.now() - begun) / 1000
  const cryptoFloorMs = (floorBefore + cpuFloorMs()) / 2
  return {
    cpuMsPerOrder: round((user + system) / 1000 / orders),
    systemMsPerOrder: round(system / 1000 / orders),
    cryptoFloorMs: round(cryptoFloorMs),
    timesFloor: round((user + system) / 1000 / orders / cryptoFloorMs),
    ordersPerSecond: Math.round(orders / seconds),
    loopDelayP99Ms: round(delay.percentile(99) / 1e6),
    loopDelayMaxMs: round(delay.max / 1e6),
  }
}

/** What the signatures of one issuance cost in CPU time just now: seven P-256 verifications and one signature. */
function cpuFloorMs(): number {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const message = Buffer.alloc(300, 7)
  const signature = sign('sha256', message, privateKey)
  const issuance = (): void => {
    for (let i = 0; i < 7; i++) verify('sha256', message, publicKey, signature)
    sign('sha256', message, privateKey)
  }
  for (let i = 0; i < 100; i++) issuance()
  const cpu = process.cpuUsage()
  for (let i = 0; i < 150; i++) issuance()
  const { user, system } = process.cpuUsage(cpu)
  return (user + system) / 1000 / 150
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000
}
