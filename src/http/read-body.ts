import type { Exchange } from './exchange.ts'
import { ClientGone, HttpRefusal } from './refusal.ts'

/**
 * Reads the whole body into memory, within bounds (KF-F01). How long it may take is the listener's request timeout.
 *
 * @throws {HttpRefusal} 413 above `maxBytes`, 415 for any content coding
 * @throws {ClientGone}
 */
export function readBody(exchange: Exchange, maxBytes: number): Promise<Buffer> {
  const { request, response } = exchange
  const coding = request.headers['content-encoding']
  if (coding !== undefined && coding.toLowerCase() !== 'identity') {
    return Promise.reject(new HttpRefusal(415, 'Content-Encoding is not accepted; send the body as it is'))
  }
  // The parser has made sure that it is a number, and that it does not stand beside a Transfer-Encoding.
  if (Number(request.headers['content-length'] ?? 0) > maxBytes) return Promise.reject(tooLarge(maxBytes))
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let length = 0
    let isDone = false
    const done = (end: () => void): void => {
      if (isDone) return
      isDone = true
      end()
    }
    const gone = (): void => done(() => reject(new ClientGone()))
    request.on('data', (chunk: Buffer) => {
      length += chunk.length
      if (length <= maxBytes) chunks.push(chunk)
      else done(() => reject(tooLarge(maxBytes)))
    })
    request.on('end', () => done(() => resolve(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks))))
    request.on('error', gone)
    request.on('close', gone)
    if (exchange.awaitsContinue) response.writeContinue()
  })
}

function tooLarge(maxBytes: number): HttpRefusal {
  return new HttpRefusal(413, `The body is longer than ${maxBytes} bytes`)
}
