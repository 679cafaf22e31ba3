import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { type SpawnedChancery, spawnChancery } from '../test/support/chancery.ts'
import { type BareRuntime, measureBareRuntime } from './bare-runtime.ts'
import { type CryptoFloor, meanFloor, measureFloor } from './floor.ts'
import { type LoadResult, type Responder, runLoad, startResponder } from './load.ts'
import { type Metrics, scrape, total } from './metrics.ts'
import { startProfiler } from './profile.ts'
import { addUp, ROOMS, type Room, timeOfRooms } from './rooms.ts'
import { type CpuTime, cpuByThreadName, cpuTime, peakMiB } from './server-process.ts'

const USAGE = `usage: npm run bench -- [--orders N] [--concurrency N[,N…]] [--warm-up N] [--accounts N] [--no-breakdown]
                       [--profile FILE] [--set path.to.key=value …]

Starts a server on a new state folder and takes it through complete http-01 issuances over TLS with durable commits, one
identifier each. The first line is that of a new process; then come so many orders that are not measured (--warm-up), in which
the runtime compiles what is used often, and then the lines of a process as it is for the rest of its life. Each stands beside
what this machine's cryptography costs: one P-256 verification for each signed request that was really made, one for the
CSR, one signature, as \`openssl speed\` has them before and after the run. Beside it, too, stands what the runtime alone takes: a
server that reads, parses, verifies and answers as many requests, fetches one proof, signs once and makes three rows durable,
with no ACME, policy, certificates, audit or logs around it.
A last line says where the server's CPU went: the last run is repeated under a sampling profiler, which itself costs a
little, and the parts add up to what the repeated run took. With --profile it is kept in a file for a profile viewer.
CPU and memory are of the server's process alone and are read from /proc, so they are null elsewhere than on Linux.
`

/** Some three hundred functions are compiled for good only after thousands of orders. */
const WARM_UP_CONCURRENCY = 32

const { values } = parseArgs({
  options: {
    orders: { type: 'string', default: '500' },
    concurrency: { type: 'string', default: '16,128' },
    'warm-up': { type: 'string', default: '4000' },
    accounts: { type: 'string', default: '4' },
    breakdown: { type: 'boolean', default: true },
    profile: { type: 'string' },
    set: { type: 'string', multiple: true, default: [] },
    help: { type: 'boolean', default: false },
  },
  allowNegative: true,
})
if (values.help) process.stdout.write(USAGE)
else await main()

interface Measured {
  readonly result: LoadResult
  /** CPU of one certificate; undefined where it cannot be known. */
  readonly cpu: CpuTime | undefined
  /** Milliseconds of one certificate in threads other than the main one, by name. */
  readonly threads: Readonly<Record<string, number>>
  /** Signed requests of one certificate, polls and those that got `badNonce` included. */
  readonly signedRequests: number
  readonly after: Metrics
}

async function main(): Promise<void> {
  const responder = await startResponder()
  const server = await spawnChancery({
    set: [`validation.http01.port=${responder.port}`, ...values.set],
    nodeArgs: ['--inspect-port=127.0.0.1:0'],
  })
  try {
    const concurrencies = values.concurrency.split(',').map(Number)
    let firstAddress = 0
    const run = async (concurrency: number, orders = Number(values.orders)): Promise<Measured> => {
      const measured = await measure(server, responder, { concurrency, orders, firstAddress })
      firstAddress += orders
      if (measured.result.failed > 0) process.exitCode = 1
      return measured
    }
    const runAndPrint = async (state: 'fresh' | 'warm', concurrency: number): Promise<void> => {
      // A shared machine is not of one speed, so the floor is that of the moments before and after.
      const before = await measureFloor()
      const measured = await run(concurrency)
      const floor = meanFloor(before, await measureFloor())
      const bare = await measureBareRuntime(concurrency)
      print(report(state, concurrency, measured, { floor, bare }, server.pid))
    }
    const warmUp = Number(values['warm-up'])
    if (warmUp > 0) {
      await runAndPrint('fresh', concurrencies[0] ?? 16)
      await run(WARM_UP_CONCURRENCY, warmUp)
    }
    for (const concurrency of concurrencies) await runAndPrint(warmUp > 0 ? 'warm' : 'fresh', concurrency)
    const last = concurrencies.at(-1)
    if (values.breakdown && last !== undefined) {
      const profiler = await startProfiler(server.pid, server.stderr)
      const measured = await run(last)
      const { profile, waitedMs } = await profiler.stop()
      if (values.profile !== undefined) writeFileSync(values.profile, JSON.stringify(profile))
      print(breakdown(last, measured, timeOfRooms(profile), waitedMs))
    }
  } finally {
    await server.stop()
    await server.cleanup()
    responder.close()
  }
}

async function measure(
  server: SpawnedChancery,
  responder: Responder,
  { concurrency, orders, firstAddress }: { concurrency: number; orders: number; firstAddress: number },
): Promise<Measured> {
  const before = await scrape(server.urls.admin)
  const cpuBefore = cpuTime(server.pid)
  const threadsBefore = cpuByThreadName(server.pid)
  const result = await runLoad({
    directoryUrl: server.urls.directory,
    responder,
    orders,
    concurrency,
    accounts: Number(values.accounts),
    firstAddress,
  })
  const cpuAfter = cpuTime(server.pid)
  const threadsAfter = cpuByThreadName(server.pid)
  const after = await scrape(server.urls.admin)
  const each = (sum: number): number => sum / result.done
  return {
    result,
    cpu:
      cpuBefore === undefined || cpuAfter === undefined
        ? undefined
        : {
            allMs: each(cpuAfter.allMs - cpuBefore.allMs),
            mainMs: each(cpuAfter.mainMs - cpuBefore.mainMs),
            mainKernelMs: each(cpuAfter.mainKernelMs - cpuBefore.mainKernelMs),
            profilerMs: each(cpuAfter.profilerMs - cpuBefore.profilerMs),
          },
    threads: Object.fromEntries(
      [...threadsAfter].map(([name, ms]) => [name, each(ms - (threadsBefore.get(name) ?? 0))]),
    ),
    signedRequests: each(total(after, 'chancery_nonces_total') - total(before, 'chancery_nonces_total')),
    after,
  }
}

function report(
  state: 'fresh' | 'warm',
  concurrency: number,
  { result, cpu, threads, signedRequests, after }: Measured,
  { floor, bare }: { floor: CryptoFloor; bare: BareRuntime | undefined },
  pid: number,
) {
  const floorMs = ((signedRequests + 1) * floor.verifyUs + floor.signUs) / 1000
  const bareMs = bare && signedRequests * bare.requestMs + bare.issuanceMs
  const percentile = (share: number): number =>
    round(result.latenciesMs[Math.floor(result.latenciesMs.length * share)] ?? 0)
  return {
    state,
    concurrency,
    done: result.done,
    failed: result.failed,
    refused: result.refused,
    ordersPerSecond: round(result.done / result.seconds),
    p50Ms: percentile(0.5),
    p99Ms: percentile(0.99),
    serverCpuMsPerCertificate: cpu === undefined ? null : round(cpu.allMs),
    mainThreadMs:
      cpu === undefined ? null : { user: round(cpu.mainMs - cpu.mainKernelMs), kernel: round(cpu.mainKernelMs) },
    otherThreadsMs: Object.fromEntries(
      Object.entries(threads).flatMap(([name, ms]) => (ms >= 0.005 ? [[name, round(ms)]] : [])),
    ),
    signedRequestsPerCertificate: round(signedRequests),
    floor: { source: floor.source, signUs: round(floor.signUs), verifyUs: round(floor.verifyUs) },
    cryptoFloorMs: round(floorMs),
    timesFloor: cpu === undefined ? null : round(cpu.allMs / floorMs),
    bareRuntimeMs: bareMs === undefined ? null : round(bareMs),
    bareRuntimeTimesFloor: bareMs === undefined ? null : round(bareMs / floorMs),
    eventLoopDelayP50Ms: delayMs(after, '0.5'),
    eventLoopDelayP99Ms: delayMs(after, '0.99'),
    serverPeakMiB: peakMiB(pid) ?? null,
    ...(result.errors.length > 0 && { firstError: result.errors[0] }),
  }
}

/** What the main thread did, by room; what other threads took (collecting garbage, compiling) stands apart. */
function breakdown(
  concurrency: number,
  { cpu, result }: Measured,
  sampled: Readonly<Record<Room, number>>,
  waitedMs: number,
) {
  if (cpu === undefined) return { breakdownAtConcurrency: concurrency, ms: null }
  const parts = addUp(sampled, { cpuMs: cpu.mainMs * result.done, waitedMs })
  return {
    breakdownAtConcurrency: concurrency,
    serverCpuMsPerCertificate: round(cpu.allMs - cpu.profilerMs),
    ms: {
      ...Object.fromEntries(ROOMS.map((room) => [room, round(parts[room] / result.done)])),
      otherThreads: round(cpu.allMs - cpu.mainMs - cpu.profilerMs),
    },
  }
}

function delayMs(metrics: Metrics, quantile: string): number | null {
  const seconds = metrics.get(`chancery_event_loop_delay_seconds{quantile="${quantile}"}`)
  return seconds === undefined ? null : round(seconds * 1000)
}

function round(value: number): number {
  return Math.round(value * 100) / 100
}

function print(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`)
}
