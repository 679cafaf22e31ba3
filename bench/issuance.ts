import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { spawnChancery } from '../test/support/chancery.ts'
import { cryptoFloor } from './floor.ts'
import { runLoad, startResponder } from './load.ts'

const USAGE = `usage: npm run bench -- [--orders N] [--concurrency N[,N…]] [--accounts N] [--set path.to.key=value …]

Starts a server on a new state folder and takes it through complete http-01 issuances over TLS with durable commits, one
identifier each. Prints one line of JSON for each concurrency, beside what this machine's cryptography costs.
CPU and memory are of the server's process alone and are read from /proc, so they are null elsewhere than on Linux.
`

/** Signed requests of one issuance that is never polled twice: newOrder, authorization, challenge, poll, finalize, certificate. */
const SIGNED_REQUESTS = 6

const { values } = parseArgs({
  options: {
    orders: { type: 'string', default: '500' },
    concurrency: { type: 'string', default: '16,128' },
    accounts: { type: 'string', default: '4' },
    set: { type: 'string', multiple: true, default: [] },
    help: { type: 'boolean', default: false },
  },
})
if (values.help) process.stdout.write(USAGE)
else await main()

async function main(): Promise<void> {
  const responder = await startResponder()
  const server = await spawnChancery({ set: [`validation.http01.port=${responder.port}`, ...values.set] })
  try {
    const orders = Number(values.orders)
    let firstAddress = 0
    for (const concurrency of values.concurrency.split(',').map(Number)) {
      const floor = cryptoFloor()
      const cpuBefore = cpuMs(server.pid)
      const load = {
        directoryUrl: server.urls.directory,
        responder,
        orders,
        concurrency,
        accounts: Number(values.accounts),
      }
      const result = await runLoad({ ...load, firstAddress })
      firstAddress += orders
      const cpu = difference(cpuMs(server.pid), cpuBefore)
      const floorMs = ((SIGNED_REQUESTS + 1) * floor.verifyUs + floor.signUs) / 1000
      const percentile = (share: number) =>
        round(result.latenciesMs[Math.floor(result.latenciesMs.length * share)] ?? 0)
      process.stdout.write(
        `${JSON.stringify({
          concurrency,
          done: result.done,
          failed: result.failed,
          ordersPerSecond: round(result.done / result.seconds),
          p50Ms: percentile(0.5),
          p99Ms: percentile(0.99),
          serverCpuMsPerCertificate: cpu === undefined ? null : round(cpu / result.done),
          cryptoFloorMs: round(floorMs),
          timesFloor: cpu === undefined ? null : round(cpu / result.done / floorMs),
          serverPeakMiB: peakMiB(server.pid) ?? null,
          ...(result.errors.length > 0 && { firstError: result.errors[0] }),
        })}\n`,
      )
      if (result.failed > 0) process.exitCode = 1
    }
  } finally {
    await server.stop()
    await server.cleanup()
    responder.close()
  }
}

function round(value: number): number {
  return Math.round(value * 100) / 100
}

function difference(after: number | undefined, before: number | undefined): number | undefined {
  return after === undefined || before === undefined ? undefined : after - before
}

/** User and system time of a process in milliseconds; /proc counts in hundredths of a second. */
function cpuMs(pid: number): number | undefined {
  const fields = read(`/proc/${pid}/stat`)?.split(') ')[1]?.split(' ')
  return fields === undefined ? undefined : (Number(fields[11]) + Number(fields[12])) * 10
}

function peakMiB(pid: number): number | undefined {
  const kib = /VmHWM:\s+(\d+)/.exec(read(`/proc/${pid}/status`) ?? '')?.[1]
  return kib === undefined ? undefined : Math.round(Number(kib) / 1024)
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
