import type { ClientBase, Pool, PoolClient } from 'pg'
import type { Clock } from '../../lib/clock.ts'
import type { Logger } from '../../observe/log.ts'
import type { Metrics } from '../../observe/metrics.ts'
import { StoreError } from '../store.ts'
import { Deadlines } from './deadlines.ts'
import type { Driver } from './driver.ts'
import { endsConnection, LostConnection, sqlState } from './errors.ts'
import { noConnection } from './no-connection.ts'
import type { PostgresSettings } from './options.ts'
import type { Translated } from './statements.ts'
import type { Answer, Bound, Value } from './wire-query.ts'

/** Beyond this many waiting for a connection, the next is refused at once. */
const MAX_WAITING = 2_000
/** How much longer than the server's own limit we wait for its answer. */
const ANSWER_SLACK_MS = 2_000

/** One connection in use. */
export interface Connection {
  /** @throws {LostConnection} when it broke; an error with a SQLSTATE otherwise */
  query(statement: Translated, values: readonly Value[], prelude?: readonly Bound[]): Promise<Answer>
  /** Gives it back; a broken one is closed. */
  release(): void
}

/** The connections of one process, with a deadline on everything that waits. */
export class Connections {
  readonly #driver: Driver
  readonly #pool: Pool
  readonly #settings: PostgresSettings
  readonly #clock: Clock
  readonly #metrics: Metrics | undefined
  readonly #deadlines: Deadlines
  #closed: Promise<void> | undefined
  /** From the moment they ask for a connection until they give it back. */
  #users = 0
  #idle: (() => void) | undefined

  constructor(
    driver: Driver,
    options: {
      readonly settings: PostgresSettings
      readonly clock: Clock
      readonly log: Logger | undefined
      readonly metrics: Metrics | undefined
      /** Looks at a new connection before it is used. @throws to refuse it */
      readonly verify: (connection: Pick<Connection, 'query'>) => Promise<void>
    },
  ) {
    const { settings, clock, log, metrics, verify } = options
    this.#driver = driver
    this.#settings = settings
    this.#clock = clock
    this.#metrics = metrics
    this.#deadlines = new Deadlines(clock)
    this.#pool = driver.makePool(
      (error) => log?.warn('store.connection_lost', { error }),
      (client) => verify({ query: (statement, values) => this.#query(client, statement, values, []) }),
    )
  }

  /** @throws {StoreError} `busy` when none is free in time or the server cannot be reached */
  async take(): Promise<Connection> {
    if (this.#closed !== undefined) throw new StoreError('failed', 'the store was closed')
    if (this.#pool.waitingCount >= MAX_WAITING)
      throw new StoreError('busy', 'too many requests are waiting for a connection to the database')
    const startedMs = this.#clock.monotonicMs()
    let client: PoolClient
    this.#users += 1
    try {
      // Where all are in use, one is waited for.
      if (this.#pool.idleCount === 0 && this.#pool.totalCount < this.#settings.poolSize)
        await this.#driver.prepareToConnect()
      client = await this.#pool.connect()
    } catch (error) {
      this.#left()
      this.#metrics?.count('chancery_store_connections_failed_total')
      throw error instanceof StoreError ? error : noConnection(error)
    }
    this.#metrics?.observe('chancery_store_wait_seconds', (this.#clock.monotonicMs() - startedMs) / 1000)
    let broken = false
    return {
      query: async (statement, values, prelude = []) => {
        try {
          return await this.#query(client, statement, values, prelude)
        } catch (error) {
          broken ||= mustNotBeUsedAgain(error)
          throw error
        }
      },
      release: () => {
        client.release(broken)
        this.#left()
      },
    }
  }

  /** Lets what is under way end, then closes all. */
  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    if (this.#users > 0)
      await new Promise<void>((resolve) => {
        this.#idle = resolve
      })
    await this.#pool.end()
    this.#deadlines.close()
  }

  #left(): void {
    this.#users -= 1
    if (this.#users === 0) this.#idle?.()
  }

  async #query(
    client: ClientBase,
    statement: Translated,
    values: readonly Value[],
    prelude: readonly Bound[],
  ): Promise<Answer> {
    this.#metrics?.count('chancery_store_round_trips_total')
    const longestMs = this.#settings.statementTimeout * 1000 + ANSWER_SLACK_MS
    try {
      const sent = this.#driver.query(client, statement, values, prelude)
      return await this.#deadlines.within(longestMs, sent, () => this.#driver.cut(client))
    } catch (error) {
      if (error instanceof StoreError || sqlState(error) !== undefined) throw error
      throw new LostConnection(error)
    }
  }
}

/** After some errors `pg` no longer knows what is prepared, or the server has closed its side. */
function mustNotBeUsedAgain(error: unknown): boolean {
  return endsConnection(error) || error instanceof StoreError || /^(0A|26|42|XX)/.test(sqlState(error) ?? '')
}
