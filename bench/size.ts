import { statSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { AccountId } from '../src/lib/ids.ts'
import { AcmeTestClient } from '../test/support/acme-test-client.ts'
import { type SpawnedChancery, spawnChancery } from '../test/support/chancery.ts'
import { fillDatabase } from './fill.ts'
import { runLoad, startResponder } from './load.ts'
import { cpuTime } from './server-process.ts'

const USAGE = `usage: npm run bench:size -- [--certificates N] [--rounds N] [--orders N] [--concurrency N] [--lookups N]

Compares a server whose SQLite database holds a million issuances (9 GB) with one whose database holds a thousand:
time from start to ready, issuance rate and CPU, and latency of one signed read of an old order. The two take turns, and
the figures are medians of the rounds. The log of issued certificates is off, for it knows nothing of what was filled in.
Needs 12 GB of disk in the temporary folder for the default size.
`

/** Orders of the account whose orders are looked up, in either database. */
const LOOKED_UP = 1000

const { values } = parseArgs({
  options: {
    certificates: { type: 'string', default: '1000000' },
    rounds: { type: 'string', default: '5' },
    orders: { type: 'string', default: '200' },
    concurrency: { type: 'string', default: '16' },
    lookups: { type: 'string', default: '500' },
    help: { type: 'boolean', default: false },
  },
})
if (values.help) process.stdout.write(USAGE)
else await main()

interface Candidate {
  readonly name: 'empty' | 'full'
  readonly server: SpawnedChancery
  readonly client: AcmeTestClient
  readonly orderIds: readonly string[]
  readonly startMs: number
  readonly databaseMiB: number
  readonly rounds: Round[]
  firstAddress: number
}

interface Round {
  readonly ordersPerSecond: number
  readonly cpuMs: number
  readonly lookupP50Ms: number
  readonly lookupP99Ms: number
}

async function main(): Promise<void> {
  const responder = await startResponder()
  // The log follows the audit trail, and a million issuances that it never saw would keep it busy for minutes.
  const set = [`validation.http01.port=${responder.port}`, 'issuanceLog.enabled=false']
  const candidates: Candidate[] = []
  try {
    for (const [name, count] of [
      ['empty', LOOKED_UP],
      ['full', Number(values.certificates)],
    ] as const)
      candidates.push(await prepare(name, count, set))
    for (let round = 0; round < Number(values.rounds); round++) {
      for (const candidate of candidates) candidate.rounds.push(await measure(candidate, responder))
    }
    for (const { name, startMs, databaseMiB, rounds } of candidates) {
      const middle = (key: keyof Round): number => round(median(rounds.map((one) => one[key])))
      print({
        database: name,
        databaseMiB,
        startToReadyMs: Math.round(startMs),
        ordersPerSecond: middle('ordersPerSecond'),
        serverCpuMsPerCertificate: middle('cpuMs'),
        lookupP50Ms: middle('lookupP50Ms'),
        lookupP99Ms: middle('lookupP99Ms'),
      })
    }
  } finally {
    for (const { server, client } of candidates) {
      client.close()
      await server.stop()
      await server.cleanup()
    }
    responder.close()
  }
}

async function prepare(name: Candidate['name'], count: number, set: readonly string[]): Promise<Candidate> {
  const first = await spawnChancery({ set })
  const registering = new AcmeTestClient({ directoryUrl: first.urls.directory, insecure: true })
  await registering.newAccount()
  const account = registering.accountUrl?.split('/').at(-1) as AccountId
  registering.close()
  await first.stop()

  const database = join(first.home, 'chancery.db')
  const begun = performance.now()
  const every = Math.max(1, Math.floor(count / LOOKED_UP))
  const orderIds = fillDatabase(database, { count, account, every, now: new Date() })
  process.stderr.write(`${name}: ${count} issuances written in ${Math.round((performance.now() - begun) / 1000)} s\n`)

  const starting = performance.now()
  const server = await spawnChancery({ set, home: first.home })
  const startMs = performance.now() - starting
  const client = new AcmeTestClient({ directoryUrl: server.urls.directory, insecure: true, key: registering.key })
  await client.newAccount({ onlyReturnExisting: true })
  const databaseMiB = Math.round(statSync(database).size / 2 ** 20)
  return { name, server, client, orderIds, startMs, databaseMiB, rounds: [], firstAddress: 0 }
}

async function measure(candidate: Candidate, responder: Awaited<ReturnType<typeof startResponder>>): Promise<Round> {
  const { server, client, orderIds } = candidate
  const orders = Number(values.orders)
  const before = cpuTime(server.pid)?.allMs ?? Number.NaN
  const load = { directoryUrl: server.urls.directory, responder, orders, accounts: 4 }
  const { firstAddress } = candidate
  const result = await runLoad({ ...load, concurrency: Number(values.concurrency), firstAddress })
  candidate.firstAddress += orders
  if (result.failed > 0) throw new Error(`${result.failed} orders failed, first: ${result.errors[0]}`)
  const cpuMs = ((cpuTime(server.pid)?.allMs ?? Number.NaN) - before) / orders

  const base = `${server.urls.base}/acme/default/order`
  const latencies: number[] = []
  for (let i = 0; i < Number(values.lookups); i++) {
    const id = orderIds[Math.floor(Math.random() * orderIds.length)]
    const begun = performance.now()
    const reply = await client.postAsGet(`${base}/${id}`)
    latencies.push(performance.now() - begun)
    if (reply.json?.status !== 'valid') throw new Error(`an old order was answered ${reply.status} ${reply.text}`)
  }
  latencies.sort((a, b) => a - b)
  const percentile = (share: number): number => latencies[Math.floor(latencies.length * share)] ?? 0
  return {
    ordersPerSecond: result.done / result.seconds,
    cpuMs,
    lookupP50Ms: percentile(0.5),
    lookupP99Ms: percentile(0.99),
  }
}

function median(figures: readonly number[]): number {
  return figures.toSorted((a, b) => a - b)[figures.length >> 1] ?? Number.NaN
}

function round(value: number): number {
  return Math.round(value * 100) / 100
}

function print(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`)
}
