import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { type PostgresServer, startPostgres } from '../test/support/postgres-server.ts'
import { type Replicas, startReplicas } from '../test/support/replicas.ts'
import { measureFloor } from './floor.ts'
import { type LoadResult, type Responder, runLoad, startResponder } from './load.ts'

const USAGE = `usage: npm run bench:replicas -- [--replicas 1,2,4] [--orders N] [--concurrency N] [--accounts N]
                                 [--statements N] [--set path.to.key=value …]

Starts a PostgreSQL of its own with fsync on, and servers on it, each a process; takes them through complete http-01
issuances over TLS. Prints one line of JSON for each number of servers: throughput, and what one issuance costs the
database. --statements N adds the N statements that take most of its time. All of it shares this machine's processors.
`

const { values } = parseArgs({
  options: {
    replicas: { type: 'string', default: '1,2,4' },
    orders: { type: 'string', default: '400' },
    concurrency: { type: 'string', default: '32' },
    accounts: { type: 'string', default: '8' },
    statements: { type: 'string', default: '0' },
    set: { type: 'string', multiple: true, default: [] },
    help: { type: 'boolean', default: false },
  },
})

const OF_DATABASE = `
  SELECT json_build_object('commits', xact_commit, 'rollbacks', xact_rollback, 'deadlocks', deadlocks,
    'rowsInserted', tup_inserted, 'rowsUpdated', tup_updated, 'rowsDeleted', tup_deleted, 'rowsFetched', tup_fetched)
  FROM pg_stat_database WHERE datname = current_database()`

const OF_STATEMENTS = `
  SELECT json_build_object('statements', sum(calls), 'reads', sum(calls) FILTER (WHERE query ~* '^\\s*(SELECT|WITH)'),
    'writes', sum(calls) FILTER (WHERE query ~* '^\\s*(INSERT|UPDATE|DELETE)'),
    'databaseMs', round(sum(total_exec_time)::numeric, 3), 'walBytes', sum(wal_bytes))
  FROM pg_stat_statements WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())`

const topStatements = (count: number): string => `
  SELECT calls || ' calls, ' || round(mean_exec_time::numeric, 3) || ' ms each, rows ' || rows || ': '
    || left(regexp_replace(query, '\\s+', ' ', 'g'), 110)
  FROM pg_stat_statements WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
  ORDER BY total_exec_time DESC LIMIT ${count}`

/** Of our own engine, summed over the servers. */
const OF_SERVERS = {
  roundTrips: 'chancery_store_round_trips_total',
  retries: 'chancery_store_retries_total',
  waitSeconds: 'chancery_store_wait_seconds_sum',
} as const

if (values.help) process.stdout.write(USAGE)
else await main()

async function main(): Promise<void> {
  const responder = await startResponder()
  const server = await startPostgres(["shared_preload_libraries = 'pg_stat_statements'", 'shared_buffers = 256MB'])
  try {
    for (const count of values.replicas.split(',').map(Number)) await measure(server, responder, count)
  } finally {
    await server.stop()
    responder.close()
  }
}

async function measure(server: PostgresServer, responder: Responder, count: number): Promise<void> {
  const set = ['limits.enabled=false', ...values.set]
  const replicas = await startReplicas(count, { server, target: responder, random: () => 0, set })
  try {
    await server.sql(replicas.database, 'CREATE EXTENSION pg_stat_statements')
    const before = await counters(server, replicas)
    const floor = await measureFloor()
    const result = await loadAll(replicas, responder)
    const after = await counters(server, replicas)
    const perIssuance: Record<string, number> = {}
    for (const [name, value] of Object.entries(after))
      perIssuance[name] = round((value - (before[name] ?? 0)) / result.done)
    const line = {
      replicas: count,
      done: result.done,
      failed: result.failed,
      ordersPerSecond: round(result.done / result.seconds),
      p50Ms: round(result.latenciesMs[Math.floor(result.latenciesMs.length / 2)] ?? 0),
      p99Ms: round(result.latenciesMs[Math.floor(result.latenciesMs.length * 0.99)] ?? 0),
      cryptoFloorMs: round((7 * floor.verifyUs + floor.signUs) / 1000),
      perIssuance,
      ...(result.errors.length > 0 && { firstError: result.errors[0] }),
    }
    process.stdout.write(`${JSON.stringify(line)}\n`)
    if (result.failed > 0) process.exitCode = 1
    const shown = Number(values.statements)
    if (shown > 0) process.stdout.write(`${await server.sql(replicas.database, topStatements(shown))}\n`)
  } finally {
    await replicas.close()
  }
}

/** The same load at every server at once. */
async function loadAll(replicas: Replicas, responder: Responder): Promise<LoadResult> {
  const share = (total: string): number => Math.max(1, Math.round(Number(total) / replicas.all.length))
  const started = performance.now()
  const results = await Promise.all(
    replicas.all.map(({ urls }, index) =>
      runLoad({
        directoryUrl: replicas.directoryUrl,
        connectTo: { host: '127.0.0.1', port: Number(new URL(urls.base).port) },
        responder,
        orders: share(values.orders),
        concurrency: share(values.concurrency),
        accounts: share(values.accounts),
        firstAddress: index * 100_000,
      }),
    ),
  )
  return {
    done: results.reduce((sum, { done }) => sum + done, 0),
    failed: results.reduce((sum, { failed }) => sum + failed, 0),
    refused: results.reduce((sum, { refused }) => sum + refused, 0),
    seconds: (performance.now() - started) / 1000,
    latenciesMs: results.flatMap(({ latenciesMs }) => latenciesMs).sort((a, b) => a - b),
    errors: results.flatMap(({ errors }) => errors),
  }
}

/** What has been done so far, by everybody, together with the processor time it took. */
async function counters(server: PostgresServer, replicas: Replicas): Promise<Record<string, number>> {
  // The server gathers what its processes counted once they have been idle for a second.
  await new Promise((resolve) => setTimeout(resolve, 1_500))
  const found: Record<string, number> = {}
  for (const query of [OF_DATABASE, OF_STATEMENTS]) {
    for (const [name, value] of Object.entries(JSON.parse(await server.sql(replicas.database, query))))
      found[name] = Number(value)
  }
  for (const [name, metric] of Object.entries(OF_SERVERS)) {
    const each = await Promise.all(replicas.all.map((_, index) => replicas.metric(index, metric)))
    found[name] = each.reduce((sum, value) => sum + value, 0)
  }
  found['serversCpuMs'] = replicas.all.reduce((sum, { pid }) => sum + cpuMs(pid), 0)
  found['databaseCpuMs'] = server.pids().reduce((sum, pid) => sum + cpuMs(pid), 0)
  return found
}

/** User and system time of a process, and of its children that ended, in milliseconds; 0 elsewhere than on Linux. */
function cpuMs(pid: number): number {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
    return [11, 12, 13, 14].reduce((sum, index) => sum + Number(fields[index] ?? 0), 0) * 10
  } catch {
    return 0
  }
}

function round(value: number): number {
  return Math.round(value * 100) / 100
}
