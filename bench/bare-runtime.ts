import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { Agent, request } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { RUNTIME_FLAGS } from '../bin/runtime-flags.mjs'
import { cpuTime } from './server-process.ts'

/** CPU that the runtime alone needs, with nothing of a CA around it (`bare-server.ts`). */
export interface BareRuntime {
  /** Milliseconds of one signed request: TLS, HTTP, JSON and one verification. */
  readonly requestMs: number
  /** Milliseconds of the three durable writes of an issuance, its fetch, its second verification and its signature. */
  readonly issuanceMs: number
}

const WARM_UP = 4_000
const MEASURED = 6_000
const PARTS = ['/order', '/proof', '/certificate'] as const
const BODY = JSON.stringify({ protected: 'p'.repeat(320), payload: 'q'.repeat(60), signature: 's'.repeat(86) })
const PROOF = 'r'.repeat(87)

/**
 * Measures it over connections that are kept, `concurrency` of them.
 *
 * @returns undefined elsewhere than on Linux
 */
export async function measureBareRuntime(concurrency: number): Promise<BareRuntime | undefined> {
  const folder = mkdtempSync(join(tmpdir(), 'chancery-bare-'))
  const prover = createServer((_, response) => response.end(PROOF)).listen(0, '127.0.0.1')
  await once(prover, 'listening')
  const proofUrl = `http://127.0.0.1:${(prover.address() as AddressInfo).port}/`
  const server = spawn(
    process.execPath,
    [...RUNTIME_FLAGS, join(import.meta.dirname, 'bare-server.ts'), join(folder, 'bare.db'), proofUrl],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  )
  const agent = new Agent({ keepAlive: true, maxSockets: concurrency, rejectUnauthorized: false })
  try {
    const [line] = await once(server.stdout, 'data')
    const port = Number(String(line))
    const send = async (paths: readonly string[], count: number): Promise<void> => {
      let next = 0
      const worker = async (): Promise<void> => {
        while (next < count) await post(agent, port, paths[next++ % paths.length] as string)
      }
      await Promise.all(Array.from({ length: concurrency }, worker))
    }
    const measure = async (paths: readonly string[]): Promise<number | undefined> => {
      await send(paths, WARM_UP)
      const before = cpuTime(server.pid ?? 0)
      await send(paths, MEASURED)
      const after = cpuTime(server.pid ?? 0)
      return before && after && (after.allMs - before.allMs) / MEASURED
    }
    const requestMs = await measure(['/poll'])
    const partMs = await measure(PARTS)
    if (requestMs === undefined || partMs === undefined) return undefined
    return { requestMs, issuanceMs: PARTS.length * (partMs - requestMs) }
  } finally {
    agent.destroy()
    server.stdin.end()
    await once(server, 'exit')
    prover.close()
    rmSync(folder, { recursive: true, force: true })
  }
}

function post(agent: Agent, port: number, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const headers = { 'Content-Type': 'application/jose+json', 'Content-Length': String(BODY.length) }
    const sent = request({ method: 'POST', host: '127.0.0.1', port, path, agent, headers })
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
