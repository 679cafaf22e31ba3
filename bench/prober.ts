import { parentPort, workerData } from 'node:worker_threads'

/**
 * A load balancer as the server sees it: asks for health every 200 ms, from a thread of its own, so that the work of the
 * load generator is not taken for the server's. Answers any message with what it saw, and ends.
 */
const result = { probes: 0, failed: 0, slowestMs: 0 }
let isOver = false
parentPort?.once('message', () => {
  isOver = true
})
while (!isOver) {
  await Promise.all(['/healthz', '/readyz'].map(ask))
  await new Promise((resolve) => setTimeout(resolve, 200))
}
parentPort?.postMessage(result)

async function ask(path: string): Promise<void> {
  const begun = performance.now()
  let isGood = false
  try {
    const reply = await fetch(`${workerData}${path}`, { signal: AbortSignal.timeout(5_000) })
    await reply.arrayBuffer()
    isGood = reply.ok
  } catch {
    isGood = false
  }
  result.probes++
  if (!isGood) result.failed++
  result.slowestMs = Math.max(result.slowestMs, Math.round(performance.now() - begun))
}
