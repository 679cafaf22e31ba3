import type { IncomingHttpHeaders } from 'node:http'
import { Agent, request as httpsRequest } from 'node:https'
import type { TestCsrOptions, TestIdentifier } from './test-csr.ts'
import { buildTestCsr, toIdentifier } from './test-csr.ts'
import type { FlattenedJws, TestAlgorithm, TestKey } from './test-keys.ts'
import { flattenedJws, generateTestKey, signJws } from './test-keys.ts'

export interface AcmeTestClientOptions {
  readonly directoryUrl: string
  /** PEM of the trust anchor. */
  readonly ca?: string
  /** Accept any server certificate. */
  readonly insecure?: boolean
  readonly algorithm?: TestAlgorithm
  readonly key?: TestKey
  /** Dial this instead of the host and port of the URLs, for servers whose public URL is not where they listen. */
  readonly connectTo?: Place | (() => Place)
  /** Address of this machine that connections come from; default: what the system takes. */
  readonly localAddress?: string
}

export interface Place {
  readonly host: string
  readonly port: number
}

export interface AcmeReply {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  /** Name, value, name, value …, with the spelling of the wire. */
  readonly rawHeaders: readonly string[]
  readonly bytes: Buffer
  readonly text: string
  /** The parsed body, or undefined when it is not JSON. */
  // biome-ignore lint/suspicious/noExplicitAny: test code reads members of whatever came
  readonly json: any
}

/** Every part of a signed request that a test may want to be wrong. `null` leaves a header member out. */
export interface Forge {
  readonly key?: TestKey
  readonly alg?: string | null
  readonly kid?: string | null
  readonly jwk?: unknown
  readonly nonce?: unknown
  readonly url?: unknown
  /** Further protected header members. */
  readonly header?: Readonly<Record<string, unknown>>
  /** The protected header as raw text, in place of everything above. */
  readonly headerText?: string
  /** The payload as raw text, in place of the JSON of the payload. */
  readonly payloadText?: string
  readonly signature?: (good: Buffer) => Buffer | string
  /** Changes the JWS object after signing. */
  readonly jws?: (jws: FlattenedJws) => unknown
  /** The whole body, in place of a JWS. */
  readonly body?: string | Buffer
  readonly contentType?: string | null
  readonly headers?: Readonly<Record<string, string>>
  readonly method?: string
}

/** A small ACME client that can also do everything wrong. Signs with node:crypto and shares no code with the server. */
export class AcmeTestClient {
  readonly directoryUrl: string
  readonly #agent: Agent
  readonly #connectTo: (() => Place) | undefined
  readonly #nonces: string[] = []
  #directory: Promise<Record<string, string>> | undefined
  key: TestKey
  accountUrl: string | undefined

  constructor(options: AcmeTestClientOptions) {
    this.directoryUrl = options.directoryUrl
    this.key = options.key ?? generateTestKey(options.algorithm ?? 'ES256')
    const { connectTo } = options
    this.#connectTo = typeof connectTo === 'object' ? () => connectTo : connectTo
    this.#agent = new Agent({
      keepAlive: true,
      rejectUnauthorized: options.insecure !== true,
      ...(options.ca === undefined ? {} : { ca: options.ca }),
      ...(options.localAddress === undefined ? {} : { localAddress: options.localAddress }),
    })
  }

  /** One request without a JWS. */
  request(
    method: string,
    url: string,
    options: { headers?: Readonly<Record<string, string>>; body?: string | Buffer } = {},
  ): Promise<AcmeReply> {
    const target = new URL(url)
    const place = this.#connectTo?.()
    return new Promise((resolve, reject) => {
      const sent = httpsRequest(
        {
          method,
          agent: this.#agent,
          host: place?.host ?? target.hostname.replace(/^\[|\]$/g, ''),
          port: place?.port ?? (target.port === '' ? 443 : Number(target.port)),
          servername: /^[\d.]+$|:/.test(target.hostname) ? '' : target.hostname,
          path: url.slice(target.origin.length) || '/',
          headers: {
            Host: target.host,
            ...(options.body === undefined ? {} : { 'Content-Length': String(Buffer.byteLength(options.body)) }),
            ...options.headers,
          },
        },
        (response) => {
          const chunks: Buffer[] = []
          response.on('data', (chunk: Buffer) => chunks.push(chunk))
          response.on('error', reject)
          response.on('end', () => {
            const bytes = Buffer.concat(chunks)
            const nonce = response.headers['replay-nonce']
            if (typeof nonce === 'string') this.#nonces.push(nonce)
            resolve({
              status: response.statusCode ?? 0,
              headers: response.headers,
              rawHeaders: response.rawHeaders,
              bytes,
              text: bytes.toString(),
              json: parsed(bytes),
            })
          })
        },
      )
      sent.on('error', reject)
      sent.end(options.body)
    })
  }

  get(url: string, headers?: Readonly<Record<string, string>>): Promise<AcmeReply> {
    return this.request('GET', url, headers === undefined ? {} : { headers })
  }

  /** The directory document, fetched once. */
  directory(): Promise<Record<string, string>> {
    this.#directory ??= this.get(this.directoryUrl).then((reply) => {
      if (reply.status !== 200) throw new Error(`directory answered ${reply.status}: ${reply.text}`)
      return reply.json as Record<string, string>
    })
    return this.#directory
  }

  async newNonce(): Promise<string> {
    const reply = await this.request('HEAD', (await this.directory())['newNonce']!)
    // The reply put it into the pool; a nonce asked for by name belongs to the caller.
    return this.#nonces.splice(this.#nonces.indexOf(reply.headers['replay-nonce'] as string), 1)[0]!
  }

  /** The body of a signed POST. `kid` when there is an account, else `jwk`. */
  async sign(url: string, payload: unknown, forge: Forge = {}): Promise<string> {
    const key = forge.key ?? this.key
    const byKid =
      forge.kid !== null && (forge.kid !== undefined || (forge.jwk === undefined && this.accountUrl !== undefined))
    const header: Record<string, unknown> = {}
    if (forge.alg !== null) header['alg'] = forge.alg ?? key.algorithm
    if (byKid) header['kid'] = forge.kid ?? this.accountUrl
    if (forge.jwk !== null && (forge.jwk !== undefined || !byKid)) header['jwk'] = forge.jwk ?? key.jwk
    if (forge.nonce !== null) header['nonce'] = forge.nonce ?? this.#nonces.pop() ?? (await this.newNonce())
    if (forge.url !== null) header['url'] = forge.url ?? url
    Object.assign(header, forge.header)
    const encodedHeader = Buffer.from(forge.headerText ?? JSON.stringify(header)).toString('base64url')
    const payloadText = forge.payloadText ?? (payload === '' ? '' : JSON.stringify(payload))
    const encodedPayload = Buffer.from(payloadText).toString('base64url')
    const good = signJws(key, `${encodedHeader}.${encodedPayload}`)
    const signature = forge.signature?.(good) ?? good
    const jws: FlattenedJws = {
      protected: encodedHeader,
      payload: encodedPayload,
      signature: typeof signature === 'string' ? signature : signature.toString('base64url'),
    }
    return JSON.stringify(forge.jws?.(jws) ?? jws)
  }

  /** Signs and sends. `''` as payload is POST-as-GET. Never retries. */
  async post(url: string, payload: unknown, forge: Forge = {}): Promise<AcmeReply> {
    const body = forge.body ?? (await this.sign(url, payload, forge))
    const headers: Record<string, string> = { ...forge.headers }
    if (forge.contentType !== null) headers['Content-Type'] = forge.contentType ?? 'application/jose+json'
    return this.request(forge.method ?? 'POST', url, { headers, body })
  }

  postAsGet(url: string, forge: Forge = {}): Promise<AcmeReply> {
    return this.post(url, '', forge)
  }

  /** Registers, or finds, the account of `key`, and remembers its URL when there is one. */
  async newAccount(
    payload: Readonly<Record<string, unknown>> = { termsOfServiceAgreed: true },
    forge: Forge = {},
  ): Promise<AcmeReply> {
    const { newAccount } = await this.directory()
    const reply = await this.post(newAccount!, payload, { kid: null, ...forge })
    if (reply.status === 200 || reply.status === 201) this.accountUrl = reply.headers.location
    return reply
  }

  async newOrder(
    identifiers: readonly TestIdentifier[],
    extra: Readonly<Record<string, unknown>> = {},
    forge: Forge = {},
  ): Promise<AcmeReply> {
    const { newOrder } = await this.directory()
    return this.post(newOrder!, { identifiers: identifiers.map(toIdentifier), ...extra }, forge)
  }

  /** A CSR for these names under a fresh P-256 key unless one is given. */
  csr(
    names: readonly TestIdentifier[],
    options: TestCsrOptions & { key?: TestKey } = {},
  ): { der: Buffer; base64url: string; key: TestKey } {
    const key = options.key ?? generateTestKey('ES256')
    const csrDer = buildTestCsr(names, key, options)
    return { der: csrDer, base64url: csrDer.toString('base64url'), key }
  }

  /** RFC 8555 §8.1, for the key the client has now. */
  keyAuthorization(token: string): string {
    return `${token}.${this.key.thumbprint}`
  }

  /** An `externalAccountBinding` for this client's key (RFC 8555 §7.3.4). */
  async externalAccountBinding(
    kid: string,
    macKey: Buffer,
    forge: {
      alg?: string
      url?: string
      header?: Record<string, unknown>
      payload?: unknown
      hash?: 'sha256' | 'sha384' | 'sha512'
    } = {},
  ): Promise<FlattenedJws> {
    const { newAccount } = await this.directory()
    const header = { alg: forge.alg ?? 'HS256', kid, url: forge.url ?? newAccount, ...forge.header }
    return flattenedJws(header, forge.payload ?? this.key.jwk, { mac: macKey, hash: forge.hash ?? 'sha256' })
  }

  /** The inner JWS of a key change to `newKey` (RFC 8555 §7.3.5). */
  async keyChangeInner(
    newKey: TestKey,
    forge: { header?: Record<string, unknown>; payload?: unknown; signWith?: TestKey } = {},
  ): Promise<FlattenedJws> {
    const { keyChange } = await this.directory()
    const header = { alg: newKey.algorithm, jwk: newKey.jwk, url: keyChange, ...forge.header }
    const payload = forge.payload ?? { account: this.accountUrl, oldKey: this.key.jwk }
    return flattenedJws(header, payload, { key: forge.signWith ?? newKey })
  }

  async keyChange(newKey: TestKey, forge: Forge = {}): Promise<AcmeReply> {
    const { keyChange } = await this.directory()
    const reply = await this.post(keyChange!, await this.keyChangeInner(newKey), forge)
    if (reply.status === 200) this.key = newKey
    return reply
  }

  /** Reads `url` until its status is not `pending` or `processing`, at most `tries` times, `pauseMs` apart. */
  async poll(url: string, options: { tries?: number; pauseMs?: number } = {}): Promise<AcmeReply> {
    for (let left = options.tries ?? 200; ; left--) {
      const reply = await this.postAsGet(url)
      if (reply.status !== 200 || !['pending', 'processing'].includes(reply.json?.status) || left <= 1) return reply
      await new Promise((resolve) => setTimeout(resolve, options.pauseMs ?? 20))
    }
  }

  /** Ends the kept-alive connections. */
  close(): void {
    this.#agent.destroy()
  }
}

function parsed(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString())
  } catch {
    return undefined
  }
}
