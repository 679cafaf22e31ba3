import type { Exchange } from './exchange.ts'
import { HttpRefusal } from './refusal.ts'

/**
 * What every route asks of a request before it looks at it.
 *
 * @throws {HttpRefusal} 400 without exactly one Host (RFC 9112 §3.2), 417 for an expectation other than 100-continue
 *   (RFC 9110 §10.1.1)
 */
export function checkRequest(exchange: Exchange): void {
  const { request } = exchange
  if (hostFields(request.rawHeaders) !== 1 && request.httpVersion === '1.1') {
    throw new HttpRefusal(400, 'An HTTP/1.1 request needs exactly one Host header')
  }
  if (exchange.awaitsContinue && request.headers.expect?.toLowerCase() !== '100-continue') {
    throw new HttpRefusal(417, 'The only expectation that is understood is 100-continue')
  }
}

function hostFields(rawHeaders: readonly string[]): number {
  let count = 0
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string
    if (name.length === 4 && name.toLowerCase() === 'host') count++
  }
  return count
}
