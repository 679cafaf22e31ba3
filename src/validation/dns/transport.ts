import type { Socket as UdpSocket } from 'node:dgram'
import { createSocket } from 'node:dgram'
import { connect } from 'node:net'
import { isShortage } from '../shortage.ts'
import { DnsError } from './dns-error.ts'

/** One configured resolver. */
export interface DnsServer {
  readonly address: string
  readonly port: number
}

/** How questions leave this machine. Handed in, so that a simulation can have a network of its own. */
export interface DnsTransport {
  readonly udp: typeof askByUdp
  readonly tcp: typeof askByTcp
}

/** What a received packet is to the one who asked; `stray` is thrown away and the wait goes on. */
export type Reception<T> = { readonly answer: T } | 'stray'

/** So many packets that are no answer to our question mean that somebody is guessing (KF-A23). */
const MAX_STRAYS = 16

/**
 * Asks by UDP from a socket made for this one question, so that its port is a fresh random one, and connected, so
 * that the system drops packets from elsewhere (RFC 5452 §9).
 *
 * @param receive judges a packet; what it throws ends the question
 * @throws {DnsError} `unreachable`, or `refused` after too many strays; the signal's reason when aborted
 * @throws {Error} of the system when this machine has run out of what a socket needs
 */
export function askByUdp<T>(
  server: DnsServer,
  query: Buffer,
  receive: (packet: Buffer) => Reception<T>,
  signal: AbortSignal,
): Promise<T> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason)
    const socket: UdpSocket = createSocket(server.address.includes(':') ? 'udp6' : 'udp4')
    let strays = 0
    let over = false
    const end = (settle: () => void): void => {
      if (over) return
      over = true
      signal.removeEventListener('abort', onAbort)
      socket.close()
      settle()
    }
    const onAbort = (): void => end(() => reject(signal.reason))
    const fail = (error: Error): void => end(() => reject(unreachable(error)))
    signal.addEventListener('abort', onAbort, { once: true })
    socket.on('error', fail)
    socket.on('message', (packet) => {
      try {
        const received = receive(packet)
        if (received !== 'stray') return end(() => resolve(received.answer))
        if (++strays >= MAX_STRAYS) throw new DnsError('refused', 'too many packets that answer another question')
      } catch (error) {
        end(() => reject(error))
      }
    })
    socket.once('connect', () => {
      if (!over) socket.send(query, (error) => (error === null ? undefined : fail(error)))
    })
    // Without a callback of its own, which would be given the error of a network that has no way there.
    socket.connect(server.port, server.address)
  })
}

/**
 * Asks by TCP: one question, one answer, then the connection is closed (RFC 7766).
 *
 * @throws {DnsError} `unreachable` or `malformed`; the signal's reason when aborted; what `receive` throws
 * @throws {Error} of the system when this machine has run out of what a socket needs
 */
export function askByTcp<T>(
  server: DnsServer,
  query: Buffer,
  receive: (packet: Buffer) => Reception<T>,
  signal: AbortSignal,
): Promise<T> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason)
    const socket = connect({ host: server.address, port: server.port, autoSelectFamily: false })
    const chunks: Buffer[] = []
    let received = 0
    const end = (settle: () => void): void => {
      signal.removeEventListener('abort', onAbort)
      socket.destroy()
      settle()
    }
    const onAbort = (): void => end(() => reject(signal.reason))
    signal.addEventListener('abort', onAbort, { once: true })
    socket.on('error', (error) => end(() => reject(unreachable(error))))
    socket.on('close', () =>
      end(() => reject(new DnsError('unreachable', 'the connection was closed without an answer'))),
    )
    socket.on('connect', () => {
      const length = Buffer.alloc(2)
      length.writeUInt16BE(query.length)
      socket.write(Buffer.concat([length, query]))
    })
    socket.on('data', (chunk: Buffer) => {
      chunks.push(chunk)
      received += chunk.length
      if (received < 2) return
      const all = Buffer.concat(chunks)
      const size = all.readUInt16BE(0)
      if (received < 2 + size) {
        chunks.splice(0, chunks.length, all)
        return
      }
      try {
        const judged = receive(all.subarray(2, 2 + size))
        if (judged === 'stray') throw new DnsError('malformed', 'the answer is to another question')
        end(() => resolve(judged.answer))
      } catch (error) {
        end(() => reject(error))
      }
    })
  })
}

export const socketTransport: DnsTransport = { udp: askByUdp, tcp: askByTcp }

function unreachable(error: Error): Error {
  if (isShortage(error)) return error
  const code = 'code' in error && typeof error.code === 'string' ? error.code : 'no connection'
  return new DnsError('unreachable', `the resolver could not be reached (${code})`, { cause: error })
}
