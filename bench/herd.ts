import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { Turns } from '../src/signer/turns.ts'
import { generateTestKey } from '../test/support/test-keys.ts'
import { startResponder } from './load.ts'
import { ObedientClient, Witness } from './obedient-client.ts'
import { loopback, percentile, round, startWatchedServer } from './watched-server.ts'

const USAGE = `usage: npm run bench:herd -- [--clients N] [--within SECONDS] [--accounts N] [--set path.to.key=value …]

So many clients renew within so many seconds, at moments drawn at random: each a machine of its own as the server sees it,
with a network address, a new connection, directory and nonce, and a name of its own, obeying Retry-After. Tells when the last of them had its
certificate, and whether any was issued twice.
The load is made by this process, on the same machine: its own work is in the latencies, and its CPU is missing to the server.
Where it falls behind, clients arrive later than drawn, a few handshakes at a time, as no client of its own machine is kept
from saying hello by ten thousand others.
`

/** Handshakes that this process makes at once. */
const ARRIVING = 16

const { values } = parseArgs({
  options: {
    clients: { type: 'string', default: '10000' },
    within: { type: 'string', default: '60' },
    accounts: { type: 'string', default: '500' },
    set: { type: 'string', multiple: true, default: [] },
    help: { type: 'boolean', default: false },
  },
})
if (values.help) process.stdout.write(USAGE)
else await main()

async function main(): Promise<void> {
  const clients = Number(values.clients)
  const withinMs = Number(values.within) * 1000
  const responder = await startResponder()
  const server = await startWatchedServer([`validation.http01.port=${responder.port}`, 'log.level=warn', ...values.set])
  try {
    const witness = new Witness()
    const accounts: ObedientClient[] = []
    for (let i = 0; i < Number(values.accounts); i++) {
      const account = new ObedientClient(server.urls.directory, witness)
      await account.register()
      account.close()
      accounts.push(account)
    }
    witness.acceptedMs.length = 0
    const before = issuedBy(await server.metrics())
    const stopProbing = server.probe()
    const key = generateTestKey('ES256')
    const orderSeconds: number[] = []
    const certificates = new Map<string, number>()
    const door = new Turns(ARRIVING)
    const begun = performance.now()
    let lastArrivalMs = 0
    await Promise.all(
      Array.from({ length: clients }, async (_, i) => {
        await sleep(Math.random() * withinMs)
        const client = accounts[i % accounts.length]!.again(server.urls.directory, { localAddress: loopback(i) })
        const started = performance.now()
        try {
          await door.run(() => client.arrive())
          lastArrivalMs = performance.now() - begun
          const text = (await client.issue(loopback(i), key, responder)) ?? ''
          certificates.set(text, (certificates.get(text) ?? 0) + 1)
          orderSeconds.push((performance.now() - started) / 1000)
        } catch (error) {
          witness.errors.push(error instanceof Error ? `${error.message} ${String(error.cause ?? '')}` : String(error))
        } finally {
          client.close()
        }
      }),
    )
    const seconds = (performance.now() - begun) / 1000
    const metrics = await server.metrics()
    const issued = issuedBy(metrics) - before
    const result = {
      clients,
      withinSeconds: Number(values.within),
      served: orderSeconds.length,
      failed: witness.errors.length,
      issuedByServer: issued,
      issuedTwice: issued - certificates.size,
      allArrivedAfterSeconds: round(lastArrivalMs / 1000),
      allServedAfterSeconds: round(seconds),
      orderSecondsP50: percentile(orderSeconds, 0.5),
      orderSecondsP99: percentile(orderSeconds, 0.99),
      postP99Ms: percentile(witness.acceptedMs, 0.99),
      handshakes: handshakesOf(metrics),
      refused: witness.refusedMs.length,
      refusedAt: Object.fromEntries(witness.refusedAt),
      retryAfterMost: Math.max(0, ...witness.retryAfter),
      unclean: witness.unclean.length,
      loopDelayP99Ms: round((metrics.get('chancery_event_loop_delay_seconds{quantile="0.99"}') ?? 0) * 1000),
      health: await stopProbing(),
      peakMiB: server.peakMiB() ?? null,
      ...(witness.errors.length > 0 && { firstError: witness.errors[0] }),
    }
    process.stdout.write(`${JSON.stringify(result)}\n`)
    if (result.failed > 0 || result.issuedTwice !== 0 || result.unclean > 0) process.exitCode = 1
  } finally {
    await server.stop()
    await server.cleanup()
    responder.close()
  }
}

function issuedBy(metrics: ReadonlyMap<string, number>): number {
  return metrics.get('chancery_certificates_issued_total{profile="server"}') ?? 0
}

/** How handshakes left their gate: begun, or cut off. */
function handshakesOf(metrics: ReadonlyMap<string, number>): Record<string, number> {
  return Object.fromEntries(
    [...metrics].flatMap(([name, count]) => {
      const outcome = /^chancery_handshakes_total\{outcome="(\w+)"\}$/.exec(name)?.[1]
      return outcome === undefined ? [] : [[outcome, count]]
    }),
  )
}
