import type { TLSSocket } from 'node:tls'
import { connect } from 'node:tls'

/** One response as it stood on the wire. */
export interface RawResponse {
  readonly statusLine: string
  readonly status: number
  /** Lines of the header, with the spelling of the wire. */
  readonly lines: readonly string[]
  readonly body: string
  /** All values under exactly this spelling. */
  values(name: string): string[]
}

/** A TLS connection on which a test writes its own HTTP, and reads what comes back. */
export class RawConnection {
  readonly socket: TLSSocket
  #buffer = Buffer.alloc(0)
  #wake: () => void = () => {}
  #isEnded = false

  private constructor(socket: TLSSocket) {
    this.socket = socket
    socket.on('data', (chunk: Buffer) => {
      this.#buffer = Buffer.concat([this.#buffer, chunk])
      this.#wake()
    })
    const end = (): void => {
      this.#isEnded = true
      this.#wake()
    }
    socket.on('error', end)
    socket.on('close', end)
    socket.on('end', end)
  }

  static open(port: number, options: { ca?: string; host?: string } = {}): Promise<RawConnection> {
    return new Promise((resolve, reject) => {
      const socket = connect({
        port,
        host: options.host ?? '127.0.0.1',
        servername: 'ca.test',
        rejectUnauthorized: options.ca !== undefined,
        ...(options.ca && { ca: options.ca }),
      })
      socket.once('error', reject)
      socket.once('secureConnect', () => {
        socket.off('error', reject)
        resolve(new RawConnection(socket))
      })
    })
  }

  write(text: string | Buffer): void {
    this.socket.write(text)
  }

  /** The next response, by its Content-Length. Undefined when the connection ended without one. `noBody`: HEAD. */
  async response(options: { noBody?: boolean } = {}): Promise<RawResponse | undefined> {
    const end = await this.#until(() => this.#buffer.indexOf('\r\n\r\n'))
    if (end === -1) return undefined
    const [statusLine = '', ...lines] = this.#buffer.subarray(0, end).toString('latin1').split('\r\n')
    const status = Number(statusLine.split(' ')[1])
    const values = (name: string): string[] =>
      lines.filter((line) => line.startsWith(`${name}: `)).map((line) => line.slice(name.length + 2))
    const hasBody = options.noBody !== true && status >= 200 && status !== 204
    const length = hasBody ? Number(values('Content-Length')[0] ?? 0) : 0
    const total = end + 4 + length
    await this.#until(() => (this.#buffer.length >= total ? total : -1))
    const body = this.#buffer.subarray(end + 4, total).toString()
    this.#buffer = this.#buffer.subarray(total)
    return { statusLine, status, lines, body, values }
  }

  /** Resolves when the server closed the connection, with whatever came after the last response read. */
  async ended(): Promise<string> {
    await this.#until(() => (this.#isEnded ? 0 : -1))
    return this.#buffer.toString('latin1')
  }

  close(): void {
    this.socket.destroy()
  }

  async #until(found: () => number): Promise<number> {
    for (;;) {
      const at = found()
      if (at !== -1 || this.#isEnded) return at
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }
}
