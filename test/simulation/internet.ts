import { Duplex } from 'node:stream'
import * as dnsPacket from 'dns-packet'
import { DnsError } from '../../src/validation/dns/dns-error.ts'
import type { DnsTransport, Reception } from '../../src/validation/dns/transport.ts'
import type { ValidationNetwork } from '../../src/validation/prover.ts'
import type { Chance } from './chance.ts'
import { never, type Process } from './machine.ts'
import type { World } from './world.ts'

const PROOF_PATH = '/.well-known/acme-challenge/'

/** How a web server behaves for one visit. */
export type HostMood = 'well' | 'refusing' | 'silent' | 'broken' | 'cut'

/** A host that somebody controls: an address, a web server, and a zone in DNS. */
export class SimHost {
  readonly name: string
  readonly address: string
  /** Token to key authorization. */
  readonly answers = new Map<string, string>()
  /** TXT at `_acme-challenge.`, with the thumbprint of the account that put it there. */
  txt: { readonly value: string; readonly thumbprint: string; readonly visibleAtMs: number }[] = []
  mood: () => HostMood = () => 'well'

  constructor(name: string, address: string) {
    this.name = name
    this.address = address
  }
}

/** Who proved what, as the hosts themselves have seen it. */
export type OnProof = (name: string, thumbprint: string, type: 'http-01' | 'dns-01') => void

/** DNS and web servers of the simulated world, with latencies and losses. */
export class Internet {
  readonly #world: World
  readonly #chance: Chance
  readonly #onProof: OnProof
  readonly #hosts = new Map<string, SimHost>()
  readonly #byAddress = new Map<string, SimHost>()
  /** No packet of a validation gets anywhere before this. */
  cutOffUntilMs = 0
  lossRate = 0

  constructor(world: World, onProof: OnProof) {
    this.#world = world
    this.#chance = world.chance.fork('internet')
    this.#onProof = onProof
  }

  addHost(name: string): SimHost {
    const number = this.#hosts.size + 1
    const host = new SimHost(name, `10.77.${number >> 8}.${number & 255}`)
    this.#hosts.set(name, host)
    this.#byAddress.set(host.address, host)
    return host
  }

  /** What a process of the server sees of it. */
  seenBy(process: Process): ValidationNetwork {
    const ask: DnsTransport['udp'] = (_server, query, receive, signal) =>
      process.isAlive ? this.#answer(query, receive, signal, process) : never()
    return {
      dns: { udp: ask, tcp: ask },
      dial: (address, _port, signal) => (process.isAlive ? this.#dial(address, signal, process) : never()),
    }
  }

  get #isLost(): boolean {
    return this.#world.nowMs < this.cutOffUntilMs || this.#chance.happens(this.lossRate)
  }

  #answer<T>(
    query: Buffer,
    receive: (packet: Buffer) => Reception<T>,
    signal: AbortSignal,
    process: Process,
  ): Promise<T> {
    const isLost = this.#isLost
    return new Promise((resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason), { once: true })
      if (isLost) return
      this.#world.after(this.#chance.between(1, 60), () => {
        if (!process.isAlive || signal.aborted) return
        try {
          const received = receive(this.#resolve(query))
          if (received === 'stray') throw new DnsError('malformed', 'the simulated answer was taken for a stray')
          resolve(received.answer)
        } catch (error) {
          reject(error)
        }
      })
    })
  }

  #resolve(query: Buffer): Buffer {
    const { id, questions = [] } = dnsPacket.decode(query)
    const question = questions[0]
    if (question === undefined) throw new Error('a DNS query without a question')
    const { name, type } = question
    const asked = name.toLowerCase()
    const owner = asked.startsWith('_acme-challenge.') ? asked.slice('_acme-challenge.'.length) : asked
    const host = this.#hosts.get(owner)
    const answers: { name: string; type: string; ttl: number; data: unknown }[] = []
    if (host !== undefined && asked === owner && type === 'A') answers.push({ name, type, ttl: 60, data: host.address })
    if (host !== undefined && asked !== owner && type === 'TXT') {
      for (const { value, thumbprint, visibleAtMs } of host.txt) {
        if (visibleAtMs > this.#world.nowMs) continue
        answers.push({ name, type, ttl: 1, data: [value] })
        this.#onProof(host.name, thumbprint, 'dns-01')
      }
    }
    const response = { id: id ?? 0, type: 'response', flags: 0x0180, questions: [question], answers }
    const packet = dnsPacket.encode(response as never)
    if (host === undefined) packet[3] = ((packet[3] ?? 0) & 0xf0) | 3
    return packet
  }

  #dial(address: string, signal: AbortSignal, process: Process): Promise<Duplex> {
    const host = this.#byAddress.get(address)
    const mood = host?.mood() ?? 'silent'
    const isLost = this.#isLost || mood === 'silent'
    return new Promise((resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason), { once: true })
      if (isLost) return
      this.#world.after(this.#chance.between(1, 80), () => {
        if (!process.isAlive || signal.aborted) return
        if (host === undefined || mood === 'refusing')
          return reject(Object.assign(new Error('refused'), { code: 'ECONNREFUSED' }))
        resolve(this.#connection(host, mood, process))
      })
    })
  }

  #connection(host: SimHost, mood: HostMood, process: Process): Duplex {
    let asked = ''
    const stream: Duplex = new Duplex({
      read: () => undefined,
      write: (chunk: Buffer, _encoding, done) => {
        asked += chunk.toString('latin1')
        done()
        if (!asked.includes('\r\n\r\n')) return
        const path = asked.split(' ')[1] ?? ''
        this.#world.after(this.#chance.between(1, 120), () => {
          if (!process.isAlive || stream.destroyed) return
          if (mood === 'cut') {
            stream.destroy(Object.assign(new Error('reset'), { code: 'ECONNRESET' }))
            return
          }
          stream.push(this.#page(host, mood, path))
          stream.push(null)
        })
      },
    })
    stream.on('error', () => undefined)
    return stream
  }

  #page(host: SimHost, mood: HostMood, path: string): string {
    const keyAuthorization = path.startsWith(PROOF_PATH) ? host.answers.get(path.slice(PROOF_PATH.length)) : undefined
    if (mood === 'broken') return 'HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n'
    if (keyAuthorization === undefined) return 'HTTP/1.1 404 None\r\nContent-Length: 0\r\nConnection: close\r\n\r\n'
    this.#onProof(host.name, keyAuthorization.split('.')[1] ?? '', 'http-01')
    return `HTTP/1.1 200 OK\r\nContent-Length: ${keyAuthorization.length}\r\nConnection: close\r\n\r\n${keyAuthorization}`
  }
}
