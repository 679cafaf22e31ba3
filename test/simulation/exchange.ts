import type { IncomingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import type { Exchange } from '../../src/http/exchange.ts'

export interface SimRequest {
  readonly method: 'GET' | 'HEAD' | 'POST'
  /** Path and query. */
  readonly target: string
  readonly body?: Buffer
  /** Address of the client. */
  readonly from: string
}

export interface SimReply {
  readonly status: number
  /** Lower-case names; of a repeated header the last value. */
  readonly headers: ReadonlyMap<string, string>
  readonly body: Buffer
}

/** A request and its answer without a socket, as a listener hands them to a route. */
export function simulatedExchange(
  { method, target, body, from }: SimRequest,
  params: Readonly<Record<string, string>>,
): { exchange: Exchange; reply: Promise<SimReply> } {
  const headers: Record<string, string> = { host: 'ca.test', accept: '*/*' }
  if (body !== undefined) {
    headers['content-type'] = 'application/jose+json'
    headers['content-length'] = String(body.length)
  }
  const request = Object.assign(Readable.from(body === undefined ? [] : [body], { objectMode: false }), {
    method,
    url: target,
    headers,
    rawHeaders: Object.entries(headers).flat(),
    httpVersion: '1.1',
    complete: true,
    socket: { remoteAddress: from, encrypted: true },
  })
  const { promise: reply, resolve } = Promise.withResolvers<SimReply>()
  let status = 0
  let sent: readonly string[] = []
  const response = {
    headersSent: false,
    destroyed: false,
    writableFinished: false,
    writeContinue: () => undefined,
    on: () => response,
    once: () => response,
    writeHead(code: number, list: readonly string[]) {
      status = code
      sent = list
      response.headersSent = true
      return response
    },
    end(content?: string | Buffer) {
      response.writableFinished = true
      resolve({ status, headers: toMap(sent), body: Buffer.from(content ?? '') })
    },
  }
  const [path = '', query = ''] = target.split('?')
  const exchange: Exchange = {
    request: request as unknown as IncomingMessage,
    response: response as unknown as ServerResponse,
    method,
    target,
    path,
    query,
    params,
    awaitsContinue: false,
    isDraining: () => false,
  }
  return { exchange, reply }
}

function toMap(flat: readonly string[]): Map<string, string> {
  const map = new Map<string, string>()
  for (let i = 0; i < flat.length; i += 2) map.set((flat[i] as string).toLowerCase(), flat[i + 1] as string)
  return map
}
