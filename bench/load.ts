import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { type AcmeReply, AcmeTestClient } from '../test/support/acme-test-client.ts'
import { generateTestKey } from '../test/support/test-keys.ts'

/** An http-01 responder for every name and address of this machine; tokens are published while they are needed. */
export interface Responder {
  readonly port: number
  publish(token: string, keyAuthorization: string): void
  withdraw(token: string): void
  /** Requests to this host are taken and never answered. */
  stall(host: string): void
  close(): void
}

export async function startResponder(): Promise<Responder> {
  const tokens = new Map<string, string>()
  const stalled = new Set<string>()
  const server = createServer((request, response) => {
    if (stalled.has(request.headers.host?.split(':', 1)[0] ?? '')) return
    const body = tokens.get(request.url?.split('/').pop() ?? '')
    response.writeHead(body === undefined ? 404 : 200, {
      'Content-Type': 'application/octet-stream',
      Connection: 'close',
    })
    response.end(body)
  })
  await new Promise<void>((resolve) => server.listen(0, '0.0.0.0', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    publish: (token, keyAuthorization) => tokens.set(token, keyAuthorization),
    withdraw: (token) => tokens.delete(token),
    stall: (host) => stalled.add(host),
    close: () => {
      server.close()
      server.closeAllConnections()
    },
  }
}

export interface LoadResult {
  readonly done: number
  readonly failed: number
  /** Orders that were sent away with 503 and came again when `Retry-After` said so. */
  readonly refused: number
  readonly seconds: number
  readonly latenciesMs: readonly number[]
  readonly errors: readonly string[]
}

/**
 * Complete issuances: newOrder, authorization, challenge, polling, finalize, certificate, each for an identifier of
 * its own. `concurrency` workers share `accounts` accounts.
 */
export async function runLoad(options: {
  directoryUrl: string
  /** Where the server listens, when not where its URLs say. */
  connectTo?: { host: string; port: number }
  responder: Responder
  orders: number
  concurrency: number
  accounts: number
  firstAddress: number
}): Promise<LoadResult> {
  const clients: AcmeTestClient[] = []
  for (let i = 0; i < options.accounts; i++) {
    const client = new AcmeTestClient({
      directoryUrl: options.directoryUrl,
      insecure: true,
      ...(options.connectTo && { connectTo: options.connectTo }),
    })
    await client.newAccount()
    clients.push(client)
  }
  const certificateKey = generateTestKey('ES256')
  const latenciesMs: number[] = []
  const errors: string[] = []
  let refused = 0
  let next = 0
  const started = performance.now()
  const worker = async (): Promise<void> => {
    while (next < options.orders) {
      const index = next++
      const begun = performance.now()
      try {
        const n = options.firstAddress + index
        const address = `127.${1 + ((n >> 16) % 254)}.${(n >> 8) & 255}.${1 + ((n & 255) % 254)}`
        await issue(clients[index % clients.length]!, address)
        latenciesMs.push(performance.now() - begun)
      } catch (error) {
        errors.push(error instanceof Error ? error.message : String(error))
      }
    }
  }
  const issue = async (client: AcmeTestClient, address: string): Promise<void> => {
    let order = await client.newOrder([address])
    while (order.status === 503) {
      refused++
      await sleep(secondsToWait(order) * 1000)
      order = await client.newOrder([address])
    }
    if (order.status !== 201) throw new Error(`newOrder ${order.status} ${order.text}`)
    for (const url of order.json.authorizations as string[]) {
      const authorization = await client.postAsGet(url)
      const challenge = authorization.json.challenges.find((c: { type: string }) => c.type === 'http-01')
      options.responder.publish(challenge.token, client.keyAuthorization(challenge.token))
      await client.post(challenge.url, {})
      const ended = await client.poll(url)
      options.responder.withdraw(challenge.token)
      if (ended.json?.status !== 'valid') throw new Error(`authorization ${ended.text}`)
    }
    let finalized = await client.post(order.json.finalize, {
      csr: client.csr([address], { key: certificateKey }).base64url,
    })
    if (finalized.json?.status === 'processing') finalized = await client.poll(order.headers.location!)
    if (finalized.json?.status !== 'valid') throw new Error(`finalize ${finalized.status} ${finalized.text}`)
    const certificate = await client.postAsGet(finalized.json.certificate)
    if (!certificate.text.startsWith('-----BEGIN CERTIFICATE-----')) throw new Error(`certificate ${certificate.text}`)
  }
  await Promise.all(Array.from({ length: options.concurrency }, worker))
  const seconds = (performance.now() - started) / 1000
  for (const client of clients) client.close()
  return {
    done: latenciesMs.length,
    failed: errors.length,
    refused,
    seconds,
    latenciesMs: latenciesMs.sort((a, b) => a - b),
    errors,
  }
}

function secondsToWait(refusal: AcmeReply): number {
  const seconds = Number(refusal.headers['retry-after'])
  if (!(seconds >= 1)) throw new Error(`503 without Retry-After: ${refusal.text}`)
  return seconds
}
