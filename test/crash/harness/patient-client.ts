import { type AcmeReply, AcmeTestClient, type Forge } from '../../support/acme-test-client.ts'
import type { TestKey } from '../../support/test-keys.ts'
import type { Gate, Life } from './gate.ts'
import type { OutsideRecord } from './record.ts'

/** How long a broken connection may stay a mystery: the process that broke it is dead by then, or it was no crash. */
const DEATH_NOTICED_MS = 3_000
/** Answers of "come again", in a row, before something is wrong with the server. */
const MOST_BUSY = 200
const LONGEST_PAUSE_MS = 1_000
/** Where there are several servers. */
const CALLS_TO_ONE = 4

export interface Sent {
  readonly reply: AcmeReply
  /** How often it was sent before without an answer: it may have been done already. */
  readonly unanswered: number
}

/** A client that outlives the server: what gets no answer is sent again to the next life, as good clients do. */
export class PatientClient {
  readonly directory: string
  readonly #gate: Gate
  readonly #record: OutsideRecord
  readonly #nonces: string[] = []
  #client: { readonly life: Life; readonly client: AcmeTestClient } | undefined
  #calls = 0
  key: TestKey
  accountPath: string | undefined

  constructor(parts: { gate: Gate; record: OutsideRecord; directory: string; key: TestKey }) {
    this.#gate = parts.gate
    this.#record = parts.record
    this.directory = parts.directory
    this.key = parts.key
  }

  /**
   * A signed POST, sent until it is answered. The payload may hold URLs, which change from life to life. With a nonce
   * of the caller's, whatever comes is the answer.
   */
  async post(
    path: string,
    payload: unknown | ((client: AcmeTestClient, base: string) => unknown),
    forge: Forge & { readonly nonce?: string } = {},
  ): Promise<Sent> {
    let unanswered = 0
    let busy = 0
    for (;;) {
      const { life, client } = await this.#connect()
      try {
        const { base } = life.server.urls
        const nonce = forge.nonce ?? this.#nonces.pop() ?? (await client.newNonce())
        const made = typeof payload === 'function' ? await payload(client, base) : payload
        const reply = await client.post(base + path, made, { ...forge, nonce })
        this.#keepNonce(reply)
        if ((forge.nonce === undefined && isBadNonce(reply)) || reply.status === 503 || reply.status === 429) {
          if (++busy > MOST_BUSY) throw new Error(`${path}: told to come again ${busy} times: ${reply.text}`)
          if (!isBadNonce(reply)) {
            this.#record.busy++
            await pause(Math.min(LONGEST_PAUSE_MS, Number(reply.headers['retry-after'] ?? 1) * 1000))
          }
          continue
        }
        if (reply.status < 300) this.#record.nonce(nonce)
        return { reply, unanswered }
      } catch (error) {
        if (!isBroken(error)) throw error
        unanswered++
        this.#record.unanswered++
        await this.#leave(life)
      }
    }
  }

  postAsGet(path: string): Promise<Sent> {
    return this.post(path, '')
  }

  /** A plain GET, sent until it is answered. */
  async get(path: string): Promise<AcmeReply> {
    for (;;) {
      const { life, client } = await this.#connect()
      try {
        const reply = await client.get(life.server.urls.base + path)
        if (reply.status !== 503) return reply
        this.#record.busy++
        await pause(LONGEST_PAUSE_MS)
      } catch (error) {
        if (!isBroken(error)) throw error
        await this.#leave(life)
      }
    }
  }

  close(): void {
    this.#client?.client.close()
  }

  #keepNonce(reply: AcmeReply): void {
    const nonce = reply.headers['replay-nonce']
    if (typeof nonce === 'string' && this.#nonces.length < 4) this.#nonces.push(nonce)
  }

  async #connect(): Promise<{ life: Life; client: AcmeTestClient }> {
    // Mostly the same server as before, for the sake of the connection; now and then another.
    const known = this.#client?.life
    const isUp = known !== undefined && known.server.child.signalCode === null && known.server.child.exitCode === null
    const life = isUp && ++this.#calls % CALLS_TO_ONE !== 0 ? known : await this.#gate.server()
    if (this.#client?.life !== life) {
      this.#client?.client.close()
      const directoryUrl = `${life.server.urls.base}/acme/${this.directory}/directory`
      this.#client = { life, client: new AcmeTestClient({ directoryUrl, ca: life.server.rootPem, key: this.key }) }
    }
    const { client } = this.#client
    client.key = this.key
    client.accountUrl = this.accountPath === undefined ? undefined : life.server.urls.base + this.accountPath
    return { life, client }
  }

  /** A connection broke: mostly because the server is dying just now. */
  async #leave(life: Life): Promise<void> {
    await Promise.race([life.ended, pause(DEATH_NOTICED_MS)])
  }
}

/** The path of a URL that was answered; empty when there is none. */
export function pathOf(url: string | undefined): string {
  return url === undefined ? '' : new URL(url).pathname
}

export function pause(ms: number): Promise<void> {
  // A pause that lost its race must not keep the process alive.
  return new Promise((resolve) => void setTimeout(resolve, ms).unref())
}

export function isBadNonce(reply: AcmeReply): boolean {
  return reply.status === 400 && reply.json?.type === 'urn:ietf:params:acme:error:badNonce'
}

/** An error of the connection, as a server that is gone makes it; anything else is a fault of the harness. */
export function isBroken(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  const code = 'code' in error ? String(error.code) : ''
  // A server that dies while the directory is read leaves an answer that is none.
  return /^(ECONN|EPIPE|ETIMEDOUT|ERR_STREAM|ERR_SSL|EPROTO)/.test(code) || /socket hang up|aborted/.test(error.message)
}
