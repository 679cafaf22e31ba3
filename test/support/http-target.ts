import { once } from 'node:events'
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from 'node:net'

export interface RecordedRequest {
  readonly method: string
  readonly url: string
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>
  /** Header names and values as they came over the wire. */
  readonly rawHeaders: readonly string[]
}

export interface Target {
  readonly port: number
  /** TCP connections accepted so far, and those open now. */
  readonly accepted: number
  readonly open: number
  close(): Promise<void>
}

export interface HttpTarget extends Target {
  readonly requests: RecordedRequest[]
  /** Answers the challenge path of the token with the text. */
  provision(token: string, keyAuthorization: string): void
  withdraw(token: string): void
  /** Answers every request by this handler instead; undefined for the provisioned texts again. */
  handle(handler: ((request: IncomingMessage, response: ServerResponse) => void) | undefined): void
}

const CHALLENGE_PATH = '/.well-known/acme-challenge/'

/** A web server to be validated by http-01. Unknown paths are 404. */
export async function startHttpTarget(
  options: { readonly address?: string; readonly port?: number; readonly tls?: { key: string; cert: string } } = {},
): Promise<HttpTarget> {
  const texts = new Map<string, string>()
  const requests: RecordedRequest[] = []
  let custom: ((request: IncomingMessage, response: ServerResponse) => void) | undefined
  const listener = (request: IncomingMessage, response: ServerResponse): void => {
    const { method = '', url = '', headers, rawHeaders } = request
    requests.push({ method, url, headers, rawHeaders })
    if (custom !== undefined) {
      custom(request, response)
      return
    }
    const text = url.startsWith(CHALLENGE_PATH) ? texts.get(url.slice(CHALLENGE_PATH.length)) : undefined
    response.statusCode = text === undefined ? 404 : 200
    response.end(text ?? 'not found')
  }
  const server = options.tls === undefined ? createHttpServer(listener) : createHttpsServer(options.tls, listener)
  const target = await listen(server, options)
  return {
    get port() {
      return target.port
    },
    get accepted() {
      return target.accepted
    },
    get open() {
      return target.open
    },
    close: target.close,
    requests,
    provision: (token, keyAuthorization) => void texts.set(token, keyAuthorization),
    withdraw: (token) => void texts.delete(token),
    handle: (handler) => {
      custom = handler
    },
  }
}

/** A server that does with each connection what it is told: nothing, drip, hang up. */
export async function startTcpTarget(
  onConnection: (socket: Socket) => void = () => {},
  options: { readonly address?: string; readonly port?: number } = {},
): Promise<Target> {
  // Read and thrown away, so that the other end's closing is seen.
  const server = createTcpServer((socket) => {
    socket.resume()
    onConnection(socket)
  })
  return listen(server, options)
}

/** Binds a server (port 0 unless given) and counts its connections; closing destroys what is open. */
export async function listen(
  server: Server,
  options: { readonly address?: string; readonly port?: number } = {},
): Promise<Target> {
  const sockets = new Set<Socket>()
  let accepted = 0
  server.on('connection', (socket: Socket) => {
    accepted++
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
  })
  server.listen(options.port ?? 0, options.address ?? '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    get accepted() {
      return accepted
    },
    get open() {
      return sockets.size
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        for (const socket of sockets) socket.destroy()
      }),
  }
}
