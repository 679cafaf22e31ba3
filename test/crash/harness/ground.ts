import { join } from 'node:path'
import pg from 'pg'
import { startPostgres } from '../../support/postgres-server.ts'
import { type Eyes, sqliteEyes } from './eyes.ts'
import type { KillKind } from './kill-plan.ts'

/** What the servers of a campaign stand on: the database, and how many of them share it. */
export interface Ground {
  readonly name: string
  readonly replicas: number
  /** Texts of `--set` for every server. */
  readonly settings: readonly string[]
  /** How often each kind of kill is drawn. */
  readonly weights: Readonly<Record<KillKind, number>>
  eyes(home: string): Promise<Eyes>
  /** Ends the database as a crash of its machine would, and starts it again. Absent where it is part of the server. */
  readonly crash?: () => Promise<void>
  close(): Promise<void>
}

export const SQLITE: Ground = {
  name: 'SQLite',
  replicas: 1,
  settings: [],
  weights: {
    time: 40,
    event: 16,
    commit: 14,
    'inside-commit': 10,
    checkpoint: 6,
    signing: 8,
    start: 6,
    stop: 6,
    'first-start': 2,
    'first-commits': 2,
    database: 0,
  },
  eyes: async (home) => sqliteEyes(join(home, 'chancery.db')),
  close: async () => undefined,
}

/** A PostgreSQL of its own, durable as in production, and servers that share it. */
export async function postgresGround(replicas: number): Promise<Ground> {
  const server = await startPostgres()
  const database = await server.createDatabase()
  const url = server.url(database)
  return {
    name: `PostgreSQL with ${replicas} replica${replicas === 1 ? '' : 's'}`,
    replicas,
    settings: [`store.url=${url}`],
    // Places inside of a process that commits are known of SQLite only.
    weights: {
      time: 46,
      database: 24,
      signing: 12,
      start: 10,
      stop: 8,
      event: 0,
      commit: 0,
      'inside-commit': 0,
      checkpoint: 0,
      'first-start': 0,
      'first-commits': 0,
    },
    eyes: () => postgresEyes(server.address(database)),
    async crash() {
      await server.crash()
      await server.start()
    },
    close: () => server.stop(),
  }
}

async function postgresEyes(address: { host: string; port: number; user: string; database: string }): Promise<Eyes> {
  const { host, port, user, database } = address
  const client = new pg.Client({ host, port, user, database })
  // Its end is told to whoever asks next.
  client.on('error', () => undefined)
  await client.connect()
  return {
    async rows(sql, ...parameters) {
      let number = 0
      return (
        await client.query(
          sql.replaceAll('?', () => `$${++number}`),
          parameters,
        )
      ).rows
    },
    // PostgreSQL checks its own pages when it recovers, and its constraints all the time.
    defects: async () => [],
    close: () => client.end(),
  }
}
