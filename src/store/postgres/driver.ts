import type { EventEmitter } from 'node:events'
import { readFile } from 'node:fs/promises'
import type { ConnectionOptions } from 'node:tls'
import type { ClientBase, Pool } from 'pg'
import { readSecretFile } from '../../signer/key-file.ts'
import { StoreError } from '../store.ts'
import { endsConnection, markSkipped } from './errors.ts'
import type { PostgresAddress, PostgresSettings } from './options.ts'
import type { Translated } from './statements.ts'

/** What a statement gave back. */
export interface Answer {
  readonly rows: readonly unknown[]
  readonly changes: number
  /** `COMMIT`, `ROLLBACK`, `INSERT` … */
  readonly command: string
}

/** A statement whose answer nobody looks at, sent before another one. */
export interface Prelude extends Translated {
  readonly values: readonly Value[]
}

export type Value = string | number | Uint8Array | null | readonly (string | number)[]

/** The driver `pg`, as far as the engine uses it. Loaded only where the database is PostgreSQL. */
export interface Driver {
  /**
   * To be called before a new connection may be made: reads the password anew, so that it can be changed while the
   * server runs. (`pg` could ask for it itself, but leaves the connection open when it cannot be had.)
   *
   * @throws {SignerError} when there is no such file, or others can read it
   */
  prepareToConnect(): Promise<void>
  makePool(onIdleError: (error: Error) => void, verify: (client: ClientBase) => Promise<void>): Pool
  /**
   * Sends a statement, with `prelude` before it in the same round trip and behind the same barrier: when a statement
   * of the prelude fails, the server skips the rest, and `wasSkipped` tells so of the error.
   */
  query(
    client: ClientBase,
    statement: Translated,
    values: readonly Value[],
    prelude?: readonly Prelude[],
  ): Promise<Answer>
  /** Ends a connection whose server does not answer; the statement under way rejects. */
  cut(client: ClientBase): void
}

/** Offered where none is set, so that the server refuses it in words of its own; `pg` would stumble over an empty one. */
const NO_PASSWORD = 'no password is set'

/** Type OID of BIGINT, which `pg` would give as text. */
const INT8 = 20

/** What `pg` has in its query objects and does not declare. */
interface WireConnection {
  readonly stream: { cork(): void; uncork(): void; destroy(): void }
  /** What the server has prepared, by name, and what it was asked to prepare and did not confirm yet. */
  readonly parsedStatements: Readonly<Record<string, string>>
  readonly submittedNamedStatements: Record<string, string>
  parse(message: { text: string; name: string; types: undefined }): void
  bind(message: { portal: string; statement: string; values: readonly Value[]; valueMapper: typeof prepareValue }): void
  execute(message: { portal: string; rows: number | undefined }): void
}
interface WireQuery extends EventEmitter {
  /** The statement that `pg` takes as prepared when the server says that it prepared one. */
  name: string | undefined
  text: string
  submit(connection: WireConnection): Error | null
  handleError(error: Error, connection: WireConnection): void
  handleCommandComplete(message: unknown, connection: WireConnection): void
  handleDataRow(message: unknown): void
}
interface WireResult {
  readonly rows: readonly unknown[]
  readonly rowCount: number | null
  readonly command: string
}
type WireQueryClass = new (
  config: { text: string; name?: string; values: readonly Value[]; queryMode: 'extended' },
  callback: (error: Error | null, result: WireResult) => void,
) => WireQuery

/**
 * @throws {SignerError} when others can read the password or the key
 * @throws {StoreError} when a file of certificates cannot be read
 */
export async function loadDriver(address: PostgresAddress, settings: PostgresSettings): Promise<Driver> {
  const { default: pg } = await import('pg')
  const ssl = await tlsOptions(address, settings)

  class Preluded extends (pg.Query as unknown as WireQueryClass) {
    readonly #prelude: readonly Prelude[]
    readonly #own: Translated
    /** How many of the prelude were answered. */
    #answered = 0

    constructor(
      prelude: readonly Prelude[],
      config: ConstructorParameters<WireQueryClass>[0],
      callback: ConstructorParameters<WireQueryClass>[1],
    ) {
      super(config, callback)
      this.#prelude = prelude
      this.#own = { text: config.text, name: config.name }
    }

    override submit(connection: WireConnection): Error | null {
      connection.stream.cork()
      try {
        for (const statement of this.#prelude) send(connection, statement)
        return super.submit(connection)
      } finally {
        this.#expectNext()
        connection.stream.uncork()
      }
    }

    override handleDataRow(message: unknown): void {
      if (this.#isOwnTurn) super.handleDataRow(message)
    }

    override handleCommandComplete(message: unknown, connection: WireConnection): void {
      if (this.#isOwnTurn) super.handleCommandComplete(message, connection)
      else {
        this.#answered += 1
        this.#expectNext()
      }
    }

    override handleError(error: Error, connection: WireConnection): void {
      // A connection that ends says nothing of what was sent on it.
      if (!this.#isOwnTurn && !endsConnection(error)) markSkipped(error)
      // The server prepared none of those that it skipped.
      for (const { name } of [...this.#prelude, this.#own]) {
        if (name !== undefined) delete connection.submittedNamedStatements[name]
      }
      super.handleError(error, connection)
    }

    get #isOwnTurn(): boolean {
      return this.#answered === this.#prelude.length
    }

    #expectNext(): void {
      const { text, name } = this.#prelude[this.#answered] ?? this.#own
      this.text = text
      this.name = name
    }
  }

  let password = NO_PASSWORD
  const isPlain = settings.prepare === false || (settings.prepare === undefined && settings.pooler)
  const ms = (seconds: number): number => seconds * 1000
  return {
    async prepareToConnect() {
      if (settings.passwordFile !== undefined) password = await readPassword(settings.passwordFile)
    },

    makePool(onIdleError, verify) {
      const pool = new pg.Pool({
        host: address.host,
        port: address.port,
        user: address.user,
        database: address.database,
        password: () => password,
        ssl,
        application_name: 'chancery',
        max: settings.poolSize,
        connectionTimeoutMillis: ms(Math.max(settings.connectTimeout, settings.acquireTimeout)),
        keepAlive: true,
        keepAliveInitialDelayMillis: 30_000,
        // A pooler in transaction mode cannot keep these; there they are set in each transaction.
        ...(settings.pooler
          ? {}
          : {
              statement_timeout: ms(settings.statementTimeout),
              lock_timeout: ms(settings.lockTimeout),
              idle_in_transaction_session_timeout: ms(settings.statementTimeout),
            }),
        types: {
          getTypeParser: (oid: number, format?: 'text' | 'binary') =>
            oid === INT8 && format !== 'binary' ? safeInteger : pg.types.getTypeParser(oid, format),
        },
        onConnect: verify,
      })
      pool.on('error', onIdleError)
      // While a connection is in use nobody else listens, and an unheard error would end the process.
      pool.on('connect', (client) => client.on('error', () => {}))
      return pool
    },

    query: (client, { text, name }, values, prelude = []) =>
      new Promise((resolve, reject) => {
        const config = {
          text,
          values,
          queryMode: 'extended' as const,
          ...(isPlain || name === undefined ? {} : { name }),
        }
        const before = isPlain ? prelude.map((statement) => ({ ...statement, name: undefined })) : prelude
        const query = new Preluded(before, config, (error, result) => {
          if (error) reject(error)
          else resolve({ rows: result.rows, changes: result.rowCount ?? 0, command: result.command })
        })
        client.query(query as unknown as Parameters<ClientBase['query']>[0])
      }),

    cut: (client) => (client as unknown as { connection: WireConnection }).connection.stream.destroy(),
  }
}

/** Sends a statement of a prelude; one that the server knows by name is not sent in full again. */
function send(connection: WireConnection, { text, name = '', values }: Prelude): void {
  const { parsedStatements, submittedNamedStatements } = connection
  if (parsedStatements[name] === undefined && submittedNamedStatements[name] === undefined) {
    connection.parse({ text, name, types: undefined })
    if (name !== '') submittedNamedStatements[name] = text
  }
  connection.bind({ portal: '', statement: name, values, valueMapper: prepareValue })
  connection.execute({ portal: '', rows: undefined })
}

/** What `pg` does with a value of these types. */
function prepareValue(value: Value): string | Buffer | null {
  if (value === null) return null
  if (value instanceof Uint8Array) return Buffer.from(value.buffer, value.byteOffset, value.byteLength)
  return String(value)
}

function safeInteger(text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value)) throw new StoreError('failed', `the database holds ${text}, which is out of range`)
  return value
}

async function readPassword(file: string): Promise<string> {
  return (await readSecretFile(file)).split(/\r?\n/, 1)[0] ?? ''
}

/** @throws {StoreError} */
async function readPem(key: 'caFile' | 'certFile', path: string): Promise<string> {
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new StoreError('failed', `the file of store.postgres.${key} cannot be read (${reason})`, { cause })
  })
  if (/^-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----/m.test(text)) return text
  throw new StoreError('failed', `the file of store.postgres.${key}, ${path}, holds no certificate in PEM`)
}

async function tlsOptions(
  { sslMode }: PostgresAddress,
  { caFile, certFile, keyFile }: PostgresSettings,
): Promise<ConnectionOptions | false> {
  if (sslMode === 'disable') return false
  return {
    minVersion: 'TLSv1.2',
    rejectUnauthorized: sslMode !== 'require',
    ...(sslMode === 'verify-ca' ? { checkServerIdentity: () => undefined } : {}),
    ...(caFile === undefined ? {} : { ca: await readPem('caFile', caFile) }),
    ...(certFile === undefined ? {} : { cert: await readPem('certFile', certFile) }),
    ...(keyFile === undefined ? {} : { key: await readSecretFile(keyFile) }),
  }
}
