import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

const ANSWERS = {
  400: ['Bad Request', 'The request is not well-formed HTTP/1.1'],
  408: ['Request Timeout', 'The request did not arrive in time'],
  431: ['Request Header Fields Too Large', 'The header of the request is too large'],
} as const

/**
 * Answers what never became a request, and closes: after a fault of framing nothing on the connection can be trusted
 * (KF-F17). Silent where there is nobody to tell, or where an answer is already on the wire.
 */
export function answerClientError(
  error: Error & { code?: string },
  socket: Socket,
  underWay: { readonly request: IncomingMessage; readonly response: ServerResponse } | undefined,
): void {
  const code = error.code ?? ''
  // Faults of TLS and of the connection itself come this way too.
  const isHttp = code.startsWith('HPE_') || code.startsWith('ERR_HTTP_')
  const isBusy = underWay !== undefined && !underWay.response.writableFinished
  const mayWrite = !isBusy || (!underWay.request.complete && !underWay.response.headersSent)
  if (!isHttp || !socket.writable || !mayWrite) {
    socket.destroy()
    return
  }
  socket.end(answerTo(code), () => socket.destroy())
}

function answerTo(code: string): string {
  const status = code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 408 : code === 'HPE_HEADER_OVERFLOW' ? 431 : 400
  const [reason, detail] = ANSWERS[status]
  const body = JSON.stringify({ type: 'about:blank', title: reason, detail, status })
  return [
    `HTTP/1.1 ${status} ${reason}`,
    'Content-Type: application/problem+json',
    'Cache-Control: no-store',
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
    '',
    body,
  ].join('\r\n')
}
