import type { Exchange } from './exchange.ts'
import { idleTimeAfter, setIdleTime } from './idle-time.ts'

/** The rest of an unread body that is worth reading, to keep the connection; more than this and it is closed. */
const MAX_DISCARDED_BYTES = 1 << 20

/**
 * Sends a whole answer. `headers` is a flat list of names and values whose spelling and repetition reach the wire as
 * they are (CQ-T01, CQ-T12); `Date`, `Connection` and `Content-Length` are added. HEAD gets the headers alone.
 * Does nothing when the connection is gone.
 */
export function send(exchange: Exchange, status: number, headers: string[], body: string | Buffer = ''): void {
  const { response } = exchange
  if (response.headersSent || response.destroyed) return
  // A 304 has no body, and a length of 0 would be that of the resource (RFC 9110 §8.6).
  const isBodiless = status === 204 || status === 304
  const length = Buffer.byteLength(body)
  if (!isBodiless) headers.push('Content-Length', String(length))
  if (mustClose(exchange)) headers.push('Connection', 'close')
  else if (response.shouldKeepAlive) {
    const { toldSeconds, closedMs } = idleTimeAfter(headers)
    headers.push('Keep-Alive', `timeout=${toldSeconds}`)
    setIdleTime(exchange.request.socket, closedMs)
  }
  response.writeHead(status, headers)
  if (exchange.method === 'HEAD' || isBodiless) response.end()
  // As text, header and body leave in one record; without a character beyond ASCII, Latin-1 is the same and is cheaper.
  else if (typeof body === 'string') response.end(body, length === body.length ? 'latin1' : 'utf8')
  else response.end(body)
}

function mustClose(exchange: Exchange): boolean {
  if (exchange.isDraining()) return true
  const { request } = exchange
  if (request.complete) return false
  // Without its 100 the requester may never send the body, and the next request could be read as one (KF-F17).
  if (exchange.awaitsContinue) return true
  if (request.headers['transfer-encoding'] !== undefined) return true
  const length = request.headers['content-length']
  return length !== undefined && Number(length) > MAX_DISCARDED_BYTES
}
