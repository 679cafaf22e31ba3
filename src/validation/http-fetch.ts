import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import { connect as tlsConnect } from 'node:tls'
import { request as httpRequest } from '../lib/node-http.ts'
import { DeadlinePassed } from './deadline.ts'
import { ValidationFailure } from './failure.ts'
import type { Connection, Outbound } from './outbound.ts'
import type { Probe } from './probe.ts'
import { type Hop, hostHeader, isRedirect } from './redirect.ts'
import { hostText } from './target.ts'

/** What a hop answered. A body is read of a 200 only. */
export type HopAnswer =
  | { readonly kind: 'body'; readonly body: Buffer; readonly tooLong: boolean; readonly looksLikeHtml: boolean }
  | { readonly kind: 'redirect'; readonly location: string | undefined }
  | { readonly kind: 'status'; readonly status: number }

export interface FetchDeps {
  readonly outbound: Outbound
  /** The port of http-01; see `hostHeader`. */
  readonly ownPort: number
}

const MAX_HEADER_OCTETS = 8192
/** Answers of status 1xx before the final one. */
const MAX_INTERIM_ANSWERS = 8

/**
 * Makes one GET over a connection of its own, and reads at most `maxBody` octets of a 200; the rest is cut off with
 * the connection (KF-A15). The certificate of an https hop is not verified (CQ-V09): the proof is the body alone.
 *
 * @throws {ValidationFailure} `dns`, `connection` or `tls`
 */
export async function fetchHop(hop: Hop, maxBody: number, deps: FetchDeps, probe: Probe): Promise<HopAnswer> {
  return deps.outbound.withConnection(hop.host, hop.port, probe, async (connection) => {
    try {
      const stream = hop.scheme === 'https' ? await secure(connection, hop, probe.signal) : connection.socket
      const answer = await get(stream, hop, maxBody, deps.ownPort, probe)
      return answer
    } catch (error) {
      throw toFailure(error, hop, connection, probe.signal)
    }
  })
}

class HandshakeFailed extends Error {}

function secure(connection: Connection, hop: Hop, signal: AbortSignal): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const servername = hop.host.type === 'dns' ? { servername: hop.host.name } : {}
    const tls = tlsConnect({
      socket: connection.socket,
      rejectUnauthorized: false,
      ALPNProtocols: ['http/1.1'],
      ...servername,
    })
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
    tls.on('error', (cause) => reject(new HandshakeFailed('handshake', { cause })))
    tls.once('close', () => reject(new HandshakeFailed('closed')))
    tls.once('secureConnect', () => resolve(tls))
  })
}

function get(stream: Duplex, hop: Hop, maxBody: number, ownPort: number, probe: Probe): Promise<HopAnswer> {
  return new Promise((resolve, reject) => {
    if (probe.signal.aborted) return reject(probe.signal.reason)
    probe.signal.addEventListener('abort', () => reject(probe.signal.reason), { once: true })
    const request = httpRequest({
      createConnection: () => stream,
      method: 'GET',
      path: hop.path,
      setHost: false,
      maxHeaderSize: MAX_HEADER_OCTETS,
      headers: {
        Host: hostHeader(hop, ownPort),
        'User-Agent': 'chancery-validation/1',
        Accept: '*/*',
        'Accept-Encoding': 'identity',
        Connection: 'close',
      },
    })
    request.on('error', reject)
    let isAnswered = false
    request.on('close', () => {
      if (!isAnswered) reject(new Error('closed without an answer'))
    })
    let interim = 0
    request.on('information', () => {
      if (++interim > MAX_INTERIM_ANSWERS) request.destroy(new Error('too many interim answers'))
    })
    request.on('upgrade', (response) => {
      isAnswered = true
      request.destroy()
      resolve({ kind: 'status', status: response.statusCode ?? 101 })
    })
    request.on('response', (response) => {
      isAnswered = true
      const status = response.statusCode ?? 0
      probe.evidence.responses.push({ scheme: hop.scheme, host: hostText(hop.host), status })
      if (status === 200) {
        readBody(response, maxBody).then(resolve, reject)
        return
      }
      resolve(isRedirect(status) ? { kind: 'redirect', location: oneLocation(response) } : { kind: 'status', status })
      response.on('error', () => {})
      request.destroy()
    })
    request.end()
  })
}

/** Two Location headers are none: which of them counts would be a guess. */
function oneLocation(response: IncomingMessage): string | undefined {
  const locations = response.headersDistinct['location'] ?? []
  return locations.length === 1 ? locations[0] : undefined
}

function readBody(response: IncomingMessage, maxBody: number): Promise<HopAnswer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let size = 0
    let isOver = false
    const end = (tooLong: boolean): void => {
      isOver = true
      const body = Buffer.concat(chunks)
      const looksLikeHtml = /^\s*<(?:!doctype|html)/i.test(body.toString('latin1', 0, 64))
      resolve({ kind: 'body', body, tooLong, looksLikeHtml })
      response.destroy()
    }
    response.on('data', (chunk: Buffer) => {
      if (size > maxBody) return
      chunks.push(chunk.subarray(0, maxBody - size))
      size += chunk.length
      if (size > maxBody) end(true)
    })
    response.on('end', () => end(false))
    response.on('error', reject)
    response.on('close', () => {
      if (!isOver) reject(new Error('the answer was cut off'))
    })
  })
}

function toFailure(error: unknown, hop: Hop, connection: Connection, signal: AbortSignal): ValidationFailure {
  if (error instanceof ValidationFailure) return error
  const where = `${hostText(hop.host)} (${connection.address}, port ${connection.port})`
  if (signal.aborted) {
    if (!(signal.reason instanceof DeadlinePassed)) throw signal.reason
    return new ValidationFailure('connection', `${where} did not answer in full in time`)
  }
  if (error instanceof HandshakeFailed) {
    return new ValidationFailure('tls', `The TLS handshake with ${where} failed`, { cause: error })
  }
  const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : ''
  const what = code.startsWith('HPE_')
    ? 'did not answer with valid HTTP'
    : 'closed the connection before its answer was complete'
  return new ValidationFailure('connection', `${where} ${what}`, { cause: error })
}
