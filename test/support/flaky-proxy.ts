import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'

type Cut = 'lost' | 'landed' | 'disowned' | 'silent'

/** ErrorResponse, as PgBouncer gives it. */
const SERVER_CRASHED = errorResponse('SFATAL', 'VFATAL', 'C08P01', 'Mserver conn crashed?')

/** Stands between the store and its database server, and cuts what a network or a crash would cut. */
export interface FlakyProxy {
  readonly port: number
  /**
   * What happens to a client's bytes that hold `text`: `lost`: they never arrive, `landed`: they arrive and the answer
   * does not, `disowned`: they arrive and the answer is that of a pooler which lost its server, `silent`: nothing is
   * passed on any more and nobody is told. Once; then everything passes again.
   */
  cutAt(text: string, how: Cut): void
  /** Ends all connections; new ones are refused until `open`. */
  refuse(): void
  open(): void
  close(): Promise<void>
}

export async function startFlakyProxy(target: { readonly host: string; readonly port: number }): Promise<FlakyProxy> {
  const sockets = new Set<Socket>()
  let trap: { readonly text: string; readonly how: Cut } | undefined
  let isOpen = true
  const server = createServer((client) => {
    if (!isOpen) return client.destroy()
    const upstream = connect(target.port, target.host)
    let isSilent = false
    const end = (): void => {
      client.destroy()
      upstream.destroy()
    }
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => {
        sockets.delete(socket)
        if (!isSilent) end()
      })
    }
    let hold = false
    let farewell: Buffer | undefined
    client.on('data', (bytes: Buffer) => {
      if (isSilent) return
      const found = trap !== undefined && bytes.includes(trap.text) ? trap : undefined
      if (found === undefined) return upstream.write(bytes)
      trap = undefined
      switch (found.how) {
        case 'lost':
          return end()
        case 'disowned':
          farewell = SERVER_CRASHED
          hold = true
          return upstream.write(bytes)
        case 'landed':
          hold = true
          return upstream.write(bytes)
        case 'silent':
          isSilent = true
          return undefined
        default:
          return found.how satisfies never
      }
    })
    upstream.on('data', (bytes: Buffer) => {
      if (hold) return farewell === undefined ? end() : client.end(farewell)
      if (!isSilent) client.write(bytes)
      return undefined
    })
    return undefined
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    cutAt(text, how) {
      trap = { text, how }
    },
    refuse() {
      isOpen = false
      for (const socket of sockets) socket.destroy()
    },
    open() {
      isOpen = true
    },
    async close() {
      server.close()
      for (const socket of sockets) socket.destroy()
      await once(server, 'close')
    },
  }
}

function errorResponse(...fields: readonly string[]): Buffer {
  const body = Buffer.from(`${fields.map((field) => `${field}\0`).join('')}\0`)
  const head = Buffer.alloc(5)
  head.write('E')
  head.writeInt32BE(body.length + 4, 1)
  return Buffer.concat([head, body])
}
