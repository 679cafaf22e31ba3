import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { Agent, request } from 'node:https'
import { join } from 'node:path'
import { RUNTIME_FLAGS } from '../bin/runtime-flags.mjs'
import { cpuTime } from './server-process.ts'

const WARM_UP = 4_000
const MEASURED = 6_000
const BODY = JSON.stringify({ protected: 'p'.repeat(320), payload: 'q'.repeat(60), signature: 's'.repeat(86) })

/**
 * CPU that the runtime alone needs for one signed request: TLS, HTTP, JSON and one verification in a server with nothing
 * behind them (`bare-server.ts`), over connections that are kept.
 *
 * @returns milliseconds; undefined elsewhere than on Linux
 */
export async function measureBareRequest(concurrency: number): Promise<number | undefined> {
  const server = spawn(process.execPath, [...RUNTIME_FLAGS, join(import.meta.dirname, 'bare-server.ts')], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const agent = new Agent({ keepAlive: true, maxSockets: concurrency, rejectUnauthorized: false })
  try {
    const [line] = await once(server.stdout, 'data')
    const port = Number(String(line))
    const send = async (count: number): Promise<void> => {
      let left = count
      const worker = async (): Promise<void> => {
        while (left-- > 0) await post(agent, port)
      }
      await Promise.all(Array.from({ length: concurrency }, worker))
    }
    await send(WARM_UP)
    const before = cpuTime(server.pid ?? 0)
    await send(MEASURED)
    const after = cpuTime(server.pid ?? 0)
    return before && after && (after.allMs - before.allMs) / MEASURED
  } finally {
    agent.destroy()
    server.stdin.end()
    await once(server, 'exit')
  }
}

function post(agent: Agent, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const headers = { 'Content-Type': 'application/jose+json', 'Content-Length': String(BODY.length) }
    const sent = request({ method: 'POST', host: '127.0.0.1', port, path: '/acme/default/order/x', agent, headers })
    sent.on('response', (response) => {
      response.resume()
      response.on('end', () =>
        response.statusCode === 200 ? resolve() : reject(new Error(`the bare server answered ${response.statusCode}`)),
      )
    })
    sent.on('error', reject)
    sent.end(BODY)
  })
}
