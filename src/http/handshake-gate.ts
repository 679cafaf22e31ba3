import type { Socket } from 'node:net'
import { Fifo } from '../lib/fifo.ts'

export interface HandshakeGateOptions {
  /** Begins the TLS handshake of a connection whose first bytes are here. Its work ends before the next tick does. */
  readonly begin: (socket: Socket) => void
  /** How long a client may take to say hello, and how long its hello may wait here, in milliseconds. */
  readonly patienceMs: number
  /** Hellos that wait at most; who comes after is cut off. */
  readonly maxWaiting: number
  readonly monotonicMs: () => number
  /** CPU time used so far, in milliseconds. */
  readonly cpuMs: () => number
  /** How each handshake left the gate. `waitedMs` is the time from hello to that. */
  readonly onEnd?: (outcome: HandshakeOutcome, waitedMs: number) => void
}

/** `late`: it waited longer than a client does; `refused`: too many waited already; `silent`: no hello came. */
export type HandshakeOutcome = 'begun' | 'late' | 'refused' | 'silent'

/** CPU in one turn of the event loop that handshakes may take. At least one is begun in each turn. */
const SLICE_MS = 2

/**
 * Lets TLS handshakes begin in the order in which their hellos came, a few in each turn of the event loop (KF-F02).
 *
 * The costly step of a handshake on our side is the answer to the client's hello: a millisecond or so, most of it
 * public-key work. A burst of a thousand, answered as they come, would hold the loop for a second. So a hello is read as plain bytes,
 * which costs nothing, and waits its turn; a client that says nothing takes no turn from anybody.
 */
export class HandshakeGate {
  readonly #options: HandshakeGateOptions
  readonly #hellos = new Fifo<{ readonly socket: Socket; readonly sinceMs: number }>()
  #isRunning = false

  constructor(options: HandshakeGateOptions) {
    this.#options = options
  }

  get waiting(): number {
    return this.#hellos.length
  }

  /** Takes a connection that was just accepted. */
  enter(socket: Socket): void {
    // Stays: between gate and TLS nobody else listens, and an unheard error would end the process (KF-F14).
    socket.on('error', ignore)
    const onSilence = (): void => {
      socket.destroy()
      this.#options.onEnd?.('silent', 0)
    }
    socket.setTimeout(this.#options.patienceMs, onSilence)
    socket.once('readable', () => {
      socket.setTimeout(0)
      socket.removeListener('timeout', onSilence)
      // The client went away without a word.
      if (socket.readableLength === 0) socket.destroy()
      else this.#wait(socket)
    })
  }

  #wait(socket: Socket): void {
    if (this.#hellos.length >= this.#options.maxWaiting) {
      this.#cutOff(socket, 'refused', 0)
      return
    }
    this.#hellos.push({ socket, sinceMs: this.#options.monotonicMs() })
    if (this.#isRunning) return
    this.#isRunning = true
    setImmediate(() => this.#turn())
  }

  #turn(): void {
    const { begin, patienceMs, monotonicMs, cpuMs, onEnd } = this.#options
    const startedMs = cpuMs()
    const next = (): void => {
      const hello = this.#hellos.shift()
      if (hello === undefined) {
        this.#isRunning = false
        return
      }
      const waitedMs = monotonicMs() - hello.sinceMs
      if (waitedMs > patienceMs) this.#cutOff(hello.socket, 'late', waitedMs)
      else if (!hello.socket.destroyed) {
        begin(hello.socket)
        onEnd?.('begun', waitedMs)
      }
      // TLS answers the hello in the next tick, so that only after it the time spent can be read.
      process.nextTick(() => {
        if (cpuMs() - startedMs < SLICE_MS) next()
        else setImmediate(() => this.#turn())
      })
    }
    next()
  }

  #cutOff(socket: Socket, outcome: 'late' | 'refused', waitedMs: number): void {
    // A reset tells the client at once; an end of stream would be taken for a fault of TLS.
    socket.resetAndDestroy()
    this.#options.onEnd?.(outcome, waitedMs)
  }
}

function ignore(): void {}
