import { readFile } from 'node:fs/promises'
import type { ConnectionOptions } from 'node:tls'
import type { ClientBase, Pool } from 'pg'
import { readSecretFile } from '../../signer/key-file.ts'
import { StoreError } from '../store.ts'
import type { PostgresAddress, PostgresSettings } from './options.ts'
import type { Translated } from './statements.ts'
import { type Answer, type Bound, type ParserOf, type Value, type WireConnection, WireQuery } from './wire-query.ts'

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
    prelude?: readonly Bound[],
  ): Promise<Answer>
  /** Ends a connection whose server does not answer; the statement under way rejects. */
  cut(client: ClientBase): void
}

/** Offered where none is set, so that the server refuses it in words of its own; `pg` would stumble over an empty one. */
const NO_PASSWORD = 'no password is set'

/** Type OID of BIGINT, which `pg` would give as text. */
const INT8 = 20

/**
 * @throws {SignerError} when others can read the password or the key
 * @throws {StoreError} when a file of certificates cannot be read
 */
export async function loadDriver(address: PostgresAddress, settings: PostgresSettings): Promise<Driver> {
  const { default: pg } = await import('pg')
  const ssl = await tlsOptions(address, settings)

  let password = NO_PASSWORD
  const parserOf: ParserOf = (oid) => (oid === INT8 ? safeInteger : pg.types.getTypeParser(oid, 'text'))
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
        onConnect: verify,
      })
      pool.on('error', onIdleError)
      // While a connection is in use nobody else listens, and an unheard error would end the process.
      pool.on('connect', (client) => client.on('error', () => {}))
      return pool
    },

    query: (client, statement, values, prelude = []) =>
      new Promise((resolve, reject) => {
        const own = { text: statement.text, name: isPlain ? undefined : statement.name, values }
        const before = isPlain ? prelude.map((one) => ({ ...one, name: undefined })) : prelude
        client.query(new WireQuery(before, own, { parserOf, resolve, reject }))
      }),

    cut: (client) => (client as unknown as { connection: WireConnection }).connection.stream.destroy(),
  }
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
