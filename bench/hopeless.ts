import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { generateTestKey } from '../test/support/test-keys.ts'
import { type Responder, startResponder } from './load.ts'
import { ObedientClient, Witness } from './obedient-client.ts'
import { loopback, percentile, round, startWatchedServer, type WatchedServer } from './watched-server.ts'

const USAGE = `usage: npm run bench:hopeless -- [--rate N] [--seconds N] [--set path.to.key=value …]

Good clients place so many orders per second (--rate), first alone, then beside as many hopeless ones: a third never
answer their challenge, a third answer one that nothing proves, a third have targets that take the connection and keep
silent. Tells what the good ones lost.
The load is made by this process, on the same machine: its own work is in the latencies, and its CPU is missing to the server.
`

const ACCOUNTS = 64
/** A good order is in time when its certificate is here within so many seconds. */
const IN_TIME_SECONDS = 10

const { values } = parseArgs({
  options: {
    rate: { type: 'string', default: '40' },
    seconds: { type: 'string', default: '45' },
    set: { type: 'string', multiple: true, default: [] },
    help: { type: 'boolean', default: false },
  },
})
if (values.help) process.stdout.write(USAGE)
else await main()

async function main(): Promise<void> {
  const responder = await startResponder()
  const server = await startWatchedServer([`validation.http01.port=${responder.port}`, 'log.level=warn', ...values.set])
  try {
    const rate = Number(values.rate)
    const alone = await run(server, responder, { good: rate, hopeless: 0, first: 0 })
    print('alone', alone)
    const beside = await run(server, responder, { good: rate, hopeless: rate, first: 1_000_000 })
    print('beside hopeless', beside)
    const lost = 1 - beside.inTime / beside.good / (alone.inTime / alone.good)
    process.stdout.write(`${JSON.stringify({ goodTrafficLostPercent: round(lost * 100) })}\n`)
    if (lost >= 0.1 || beside.failed > 0) process.exitCode = 1
  } finally {
    await server.stop()
    await server.cleanup()
    responder.close()
  }
}

function print(what: string, result: object): void {
  process.stdout.write(`${JSON.stringify({ run: what, ...result })}\n`)
}

async function run(
  server: WatchedServer,
  responder: Responder,
  load: { good: number; hopeless: number; first: number },
) {
  const witness = new Witness()
  const hopelessWitness = new Witness()
  const good = await register(server, witness)
  const bad = load.hopeless > 0 ? await register(server, hopelessWitness) : []
  witness.acceptedMs.length = 0
  const key = generateTestKey('ES256')
  const seconds: number[] = []
  const going: Promise<void>[] = []
  let goodPlaced = 0
  let badPlaced = 0
  const placeGood = (): void => {
    const n = goodPlaced++
    const begun = performance.now()
    const client = good[n % ACCOUNTS] as ObedientClient
    going.push(
      client.issue(loopback(load.first + n), key, responder).then(
        () => void seconds.push((performance.now() - begun) / 1000),
        (error: Error) => void witness.errors.push(error.message),
      ),
    )
  }
  const placeBad = (): void => {
    const n = badPlaced++
    const address = loopback(load.first + 500_000 + n)
    if (n % 3 === 2) responder.stall(address)
    const client = bad[n % ACCOUNTS] as ObedientClient
    going.push(
      client
        .hopeless(address, n % 3 === 0 ? 'silent' : 'failing')
        .catch((error: Error) => void hopelessWitness.errors.push(error.message)),
    )
  }
  await server.loopDelayMs()
  const begun = performance.now()
  while (performance.now() - begun < Number(values.seconds) * 1000) {
    const elapsed = (performance.now() - begun) / 1000
    while (goodPlaced < elapsed * load.good) placeGood()
    while (badPlaced < elapsed * load.hopeless) placeBad()
    await sleep(5)
  }
  const loopDelayP99Ms = round(await server.loopDelayMs())
  await Promise.all(going)
  for (const client of [...good, ...bad]) client.close()
  return {
    good: goodPlaced,
    issued: seconds.length,
    inTime: seconds.filter((one) => one <= IN_TIME_SECONDS).length,
    failed: witness.errors.length,
    orderSecondsP50: percentile(seconds, 0.5),
    orderSecondsP99: percentile(seconds, 0.99),
    postP99Ms: percentile(witness.acceptedMs, 0.99),
    refused: witness.refusedMs.length,
    hopeless: badPlaced,
    hopelessRefused: hopelessWitness.refusedMs.length,
    ...(hopelessWitness.errors.length > 0 && { hopelessError: hopelessWitness.errors[0] }),
    loopDelayP99Ms,
    peakMiB: server.peakMiB() ?? null,
    ...(witness.errors.length > 0 && { firstError: witness.errors[0] }),
  }
}

async function register(server: WatchedServer, witness: Witness): Promise<ObedientClient[]> {
  const clients = Array.from({ length: ACCOUNTS }, () => new ObedientClient(server.urls.directory, witness))
  for (const client of clients) await client.register()
  return clients
}
