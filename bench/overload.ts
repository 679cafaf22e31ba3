import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { generateTestKey } from '../test/support/test-keys.ts'
import { type Responder, startResponder } from './load.ts'
import { ObedientClient, Witness } from './obedient-client.ts'
import { loopback, percentile, round, startWatchedServer, type WatchedServer } from './watched-server.ts'

const USAGE = `usage: npm run bench:overload -- [--concurrency N[,N…]] [--orders N] [--seconds N] [--times N] [--set path.to.key=value …]

First closed loops: so many clients at once, each issuing again and again without a pause, each obeying Retry-After.
Then an open loop for so many seconds, with twice (--times) as many new orders as the best of the closed loops finished;
who is refused a new order goes away. Then a visitor every quarter of a second: how long until five in a row are served as
by an idle server.
The load is made by this process, on the same machine: its own work is in the latencies, and its CPU is missing to the server.
`

/** Visitors after the overload: how often one comes, and for how long at most. */
const EVERY_MS = 250
const VISITORS_MS = 60_000

const { values } = parseArgs({
  options: {
    concurrency: { type: 'string', default: '16,128,1024' },
    orders: { type: 'string', default: '3000' },
    seconds: { type: 'string', default: '20' },
    times: { type: 'string', default: '2' },
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
    let next = 0
    let capacity = 0
    for (const concurrency of values.concurrency.split(',').map(Number)) {
      const orders = Math.max(Number(values.orders), concurrency)
      const result = await closedLoop(server, responder, { concurrency, orders, first: next })
      next += orders
      capacity = Math.max(capacity, result.ordersPerSecond)
      print(result)
      if (result.failed > 0 || result.unclean > 0) process.exitCode = 1
    }
    if (Number(values.seconds) > 0) {
      const rate = capacity * Number(values.times)
      print(await openLoop(server, responder, { rate, seconds: Number(values.seconds), first: next }))
    }
  } finally {
    await server.stop()
    await server.cleanup()
    responder.close()
  }
}

/** A few accounts, and as many connections as clients. */
async function makeClients(server: WatchedServer, witness: Witness, count: number): Promise<ObedientClient[]> {
  const accounts = await Promise.all(
    Array.from({ length: Math.min(32, count) }, async () => {
      const client = new ObedientClient(server.urls.directory, witness)
      await client.register()
      return client
    }),
  )
  return Array.from({ length: count }, (_, i) => accounts[i] ?? accounts[i % 32]!.again(server.urls.directory))
}

async function closedLoop(
  server: WatchedServer,
  responder: Responder,
  load: { concurrency: number; orders: number; first: number },
) {
  const witness = new Witness()
  const clients = await makeClients(server, witness, load.concurrency)
  witness.acceptedMs.length = 0
  const key = generateTestKey('ES256')
  await server.loopDelayMs()
  const stopProbing = server.probe()
  const ownLoop = watchOwnLoop()
  let taken = 0
  const begun = performance.now()
  await Promise.all(
    clients.map(async (client) => {
      while (taken < load.orders) {
        const n = load.first + taken++
        await client.issue(loopback(n), key, responder).catch((error: Error) => witness.errors.push(error.message))
      }
    }),
  )
  const seconds = (performance.now() - begun) / 1000
  const loopDelayP99Ms = round(await server.loopDelayMs())
  for (const client of clients) client.close()
  return {
    load: 'closed',
    concurrency: load.concurrency,
    issued: witness.issued,
    failed: witness.errors.length,
    ordersPerSecond: round(witness.issued / seconds),
    postP50Ms: percentile(witness.acceptedMs, 0.5),
    postP99Ms: percentile(witness.acceptedMs, 0.99),
    ...refusals(witness),
    loopDelayP99Ms,
    generatorLoopP99Ms: ownLoop(),
    health: await stopProbing(),
    peakMiB: server.peakMiB() ?? null,
    ...(witness.errors.length > 0 && { firstError: witness.errors[0] }),
  }
}

async function openLoop(
  server: WatchedServer,
  responder: Responder,
  load: { rate: number; seconds: number; first: number },
) {
  const witness = new Witness()
  const idle = await makeClients(server, witness, 256)
  const account = idle[0]!
  witness.acceptedMs.length = 0
  const key = generateTestKey('ES256')
  await server.loopDelayMs()
  const stopProbing = server.probe()
  const ownLoop = watchOwnLoop()
  const orderMs: number[] = []
  let offered = 0
  let turnedAway = 0
  const going = new Set<Promise<void>>()
  const arrive = (): void => {
    const client = idle.pop() ?? idle[0]
    const n = load.first + offered++
    if (client === undefined) return void witness.errors.push('the load generator has no client left')
    const begun = performance.now()
    const visit = client
      .issue(loopback(n), key, responder, { leaveWhenRefused: true })
      .then((text) => {
        if (text === undefined) turnedAway++
        else orderMs.push(performance.now() - begun)
      })
      .catch((error: Error) => void witness.errors.push(error.message))
      .finally(() => {
        idle.push(client)
        going.delete(visit)
      })
    going.add(visit)
  }
  const more = await makeClients(server, witness, 2048)
  idle.push(...more)
  const begun = performance.now()
  while (performance.now() - begun < load.seconds * 1000) {
    const due = ((performance.now() - begun) / 1000) * load.rate
    while (offered < due) arrive()
    await sleep(5)
  }
  const loopDelayP99Ms = round(await server.loopDelayMs())
  const inFlightAtEnd = going.size
  const stopped = performance.now()
  const recovered = await untilNormal(server, responder, { account, witness })
  await Promise.all(going)
  const drainedSeconds = round((performance.now() - stopped) / 1000)
  for (const client of idle) client.close()
  return {
    load: 'open',
    offeredPerSecond: round(load.rate),
    offered,
    issued: orderMs.length,
    turnedAway,
    failed: witness.errors.length,
    postP50Ms: percentile(witness.acceptedMs, 0.5),
    postP99Ms: percentile(witness.acceptedMs, 0.99),
    orderP99Ms: percentile(orderMs, 0.99),
    ...refusals(witness),
    loopDelayP99Ms,
    generatorLoopP99Ms: ownLoop(),
    inFlightAtEnd,
    secondsUntilNormal: recovered,
    secondsUntilAllEnded: drainedSeconds,
    health: await stopProbing(),
    peakMiB: server.peakMiB() ?? null,
    ...(witness.errors.length > 0 && { firstError: witness.errors[0] }),
  }
}

/**
 * Seconds until the server is as an idle one: a visitor comes every quarter of a second, and the first of five in a row who
 * were taken at once, and had each answer within 100 ms, tells the time. Visitors do not wait for each other, nor for
 * what the ones before were told: what is measured is the server, and not how long one client was asked to stay away.
 *
 * @param account whose visitors they are; it was made before the load
 */
async function untilNormal(
  server: WatchedServer,
  responder: Responder,
  { account, witness }: { account: ObedientClient; witness: Witness },
): Promise<number> {
  const key = generateTestKey('ES256')
  const begun = performance.now()
  const served: (boolean | undefined)[] = []
  const visit = async (n: number): Promise<void> => {
    const own = new Witness()
    const visitor = account.again(server.urls.directory, { witness: own })
    const certificate = await visitor
      .issue(loopback(7_000_000 + n), key, responder, { leaveWhenRefused: true })
      .catch((error: Error) => void own.unclean.push(error.message))
    served[n] = certificate !== undefined && Math.max(...own.acceptedMs) < 100
    witness.unclean.push(...own.unclean)
    visitor.close()
  }
  const firstOfFive = (): number => served.findIndex((_, n) => [0, 1, 2, 3, 4].every((k) => served[n + k] === true))
  for (let n = 0; firstOfFive() === -1 && performance.now() - begun < VISITORS_MS; n++) {
    served.push(undefined)
    void visit(n)
    await sleep(EVERY_MS)
  }
  const first = firstOfFive()
  return first === -1 ? Number.POSITIVE_INFINITY : round((first * EVERY_MS) / 1000)
}

function refusals(witness: Witness) {
  return {
    refused: witness.refusedMs.length,
    refusedAt: Object.fromEntries(witness.refusedAt),
    refusedP99Ms: percentile(witness.refusedMs, 0.99),
    retryAfterP50: percentile(witness.retryAfter, 0.5),
    retryAfterMost: Math.max(0, ...witness.retryAfter),
    unclean: witness.unclean.length,
  }
}

/** How late this process itself is, 99th percentile in milliseconds. */
function watchOwnLoop(): () => number {
  const lates: number[] = []
  let last = performance.now()
  const timer = setInterval(() => {
    const now = performance.now()
    lates.push(Math.max(0, now - last - 10))
    last = now
  }, 10)
  return () => {
    clearInterval(timer)
    return percentile(lates, 0.99)
  }
}

function print(result: object): void {
  process.stdout.write(`${JSON.stringify(result)}\n`)
}
