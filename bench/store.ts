import { generateKeyPairSync, sign, verify } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { DatabaseSync } from 'node:sqlite'
import { parseArgs } from 'node:util'
import { systemClock } from '../src/lib/clock.ts'
import { type Connect, connectSqlite } from '../src/store/sqlite/connection.ts'
import { openSqliteStore } from '../src/store/sqlite/engine.ts'
import { issueThroughStore, newAccount } from './store-road.ts'

const USAGE = `usage: npm run bench:store -- [--orders N] [--rounds N] [--concurrency N[,N…]] [--accounts N] [--statements]

What one issuance costs in the SQLite store alone: the calls of an http-01 order, without HTTP, JWS and signing. Prints
one line of JSON for each concurrency: of several rounds the best, which other work on the machine disturbed least, and
the middle one. CPU is of this process, beside what the signatures of an issuance cost just then; orders are drawn up in
it too, which costs some 0.03 ms. \`--statements\` prints how often each statement ran instead.
`

/** Orders of which pages are counted: few enough that the log mostly does not begin anew meanwhile. */
const PAGE_ORDERS = 40

const { values } = parseArgs({
  options: {
    orders: { type: 'string', default: '400' },
    rounds: { type: 'string', default: '7' },
    concurrency: { type: 'string', default: '1,16,128' },
    accounts: { type: 'string', default: '4' },
    statements: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})
if (values.help) process.stdout.write(USAGE)
else await main()

interface Round {
  readonly cpuMsPerOrder: number
  readonly systemMsPerOrder: number
  readonly cryptoFloorMs: number
  readonly timesFloor: number
  readonly ordersPerSecond: number
  readonly loopDelayP99Ms: number
  readonly loopDelayMaxMs: number
}

async function main(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'chancery-bench-store-'))
  const path = join(folder, 'chancery.db')
  const ran = new Map<string, number>()
  const counting = values.statements ? { connect: countingConnect(ran) } : {}
  const store = await openSqliteStore({ path, clock: systemClock, exclusive: true, ...counting })
  const beside = new DatabaseSync(path)
  try {
    const accounts = await Promise.all(
      Array.from({ length: Number(values.accounts) }, () => newAccount(store, systemClock.now())),
    )
    let named = 0
    const run = async (orders: number, concurrency: number): Promise<void> => {
      let left = orders
      const worker = async (index: number): Promise<void> => {
        while (left-- > 0) {
          const account = accounts[index % accounts.length]!
          await issueThroughStore(store, account, `host-${named++}.internal`, systemClock.now())
        }
      }
      await Promise.all(Array.from({ length: concurrency }, (_, index) => worker(index)))
    }
    const orders = Number(values.orders)
    await run(500, 16)
    for (const concurrency of values.concurrency.split(',').map(Number)) {
      ran.clear()
      const pages = await pagesPerOrder(beside, (count) => run(count, concurrency))
      const rounds: Round[] = []
      for (let round = 0; round < Number(values.rounds); round++)
        rounds.push(await measure(orders, () => run(orders, concurrency)))
      const best = rounds.toSorted((a, b) => a.cpuMsPerOrder - b.cpuMsPerOrder)[0]
      const middle = rounds.toSorted((a, b) => a.timesFloor - b.timesFloor)[rounds.length >> 1]
      if (values.statements) printStatements(concurrency, ran, orders * rounds.length + 3 * PAGE_ORDERS)
      else process.stdout.write(`${JSON.stringify({ concurrency, logPagesPerOrder: pages, best, middle })}\n`)
    }
  } finally {
    beside.close()
    await store.close()
    await rm(folder, { recursive: true, force: true })
  }
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

/** Pages written to the log for an order. Of three tries the most, because the log may begin anew in between. */
async function pagesPerOrder(beside: DatabaseSync, run: (orders: number) => Promise<void>): Promise<number> {
  const measured = beside.prepare('PRAGMA wal_checkpoint(NOOP)')
  const pages = (): number => Number(measured.get()?.['log'])
  let most = 0
  for (let attempt = 0; attempt < 3; attempt++) {
    const before = pages()
    await run(PAGE_ORDERS)
    most = Math.max(most, pages() - before)
  }
  return round(most / PAGE_ORDERS)
}

function countingConnect(ran: Map<string, number>): Connect {
  return (path, options) => {
    const connection = connectSqlite(path, options)
    const prepare = connection.prepare.bind(connection)
    connection.prepare = (sql: string) => {
      const statement = prepare(sql)
      for (const method of ['get', 'all', 'run'] as const) {
        const original = statement[method].bind(statement) as (...params: unknown[]) => unknown
        const counting = (...params: unknown[]): unknown => {
          ran.set(sql, (ran.get(sql) ?? 0) + 1)
          return original(...params)
        }
        Object.assign(statement, { [method]: counting })
      }
      return statement
    }
    return connection
  }
}

function printStatements(concurrency: number, ran: ReadonlyMap<string, number>, orders: number): void {
  const most = [...ran].sort((a, b) => b[1] - a[1])
  const all = most.reduce((sum, [, count]) => sum + count, 0)
  process.stdout.write(`${(all / orders).toFixed(2)} statements for an order at concurrency ${concurrency}\n`)
  for (const [sql, count] of most) {
    process.stdout.write(`${(count / orders).toFixed(2)}  ${sql.replace(/\s+/g, ' ').trim().slice(0, 100)}\n`)
  }
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000
}
