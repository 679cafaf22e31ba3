import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { AcmeTestClient, type AcmeTestClientOptions, type Place } from './acme-test-client.ts'
import { type SpawnedChancery, spawnChancery } from './chancery.ts'
import type { HttpTarget } from './http-target.ts'
import type { PostgresServer } from './postgres-server.ts'

/** What clients are told; nobody listens there, and each request is sent to a replica of the test's choice. */
const PUBLIC_URL = 'https://localhost:44443'

const DIRECTORY_URL = `${PUBLIC_URL}/acme/default/directory`

export interface Replicas {
  readonly all: readonly SpawnedChancery[]
  readonly database: string
  readonly directoryUrl: string
  /** A client that sends each request to a replica at random, or always to the one of this number. */
  client(options?: Partial<AcmeTestClientOptions> & { readonly only?: number }): AcmeTestClient
  /** A metric's samples of one replica, summed. */
  metric(replica: number, name: string): Promise<number>
  /** Starts one more, by the clock's offset in milliseconds. */
  add(offsetMs?: number): Promise<SpawnedChancery>
  close(): Promise<void>
}

/** Several servers, each a process of its own with a state folder of its own, on one database. */
export async function startReplicas(
  count: number,
  options: {
    readonly server: PostgresServer
    readonly target: Pick<HttpTarget, 'port'>
    readonly set?: readonly string[]
    readonly random: () => number
    /** How far the clock of each is off, in milliseconds. */
    readonly offsetsMs?: readonly number[]
  },
): Promise<Replicas> {
  const { server, target, random } = options
  const database = await server.createDatabase()
  const set = [
    `store.url=${server.url(database)}`,
    `publicUrl=${PUBLIC_URL}`,
    'publicHttpUrl=http://localhost:44480',
    `validation.http01.port=${target.port}`,
    'validation.retryAfter=1',
    ...(options.set ?? []),
  ]
  const all: SpawnedChancery[] = []
  const clients: AcmeTestClient[] = []
  const skew = pathToFileURL(join(import.meta.dirname, 'skewed-clock.ts')).href

  const add = async (offsetMs = options.offsetsMs?.[all.length] ?? 0): Promise<SpawnedChancery> => {
    const home = await mkdtemp(join(tmpdir(), 'chancery-replica-'))
    const [first] = all
    if (first !== undefined) {
      // As docs/postgresql.md says.
      const own = [join(first.home, 'offline'), join(first.home, 'tls.pem'), join(first.home, 'keys', 'tls.key.pem')]
      await cp(first.home, home, { recursive: true, filter: (path) => !own.includes(path) })
    }
    const env = { NODE_OPTIONS: `--import=${skew}`, CHANCERY_TEST_CLOCK_OFFSET_MS: String(offsetMs) }
    const replica = await spawnChancery({ home, set, env })
    all.push(replica)
    return replica
  }
  const places = (): Place[] =>
    all
      .filter(({ child }) => child.exitCode === null && child.signalCode === null)
      .map(({ urls }) => ({ host: '127.0.0.1', port: Number(new URL(urls.base).port) }))

  await add()
  while (all.length < count) await add()
  return {
    all,
    database,
    directoryUrl: DIRECTORY_URL,
    add,
    client({ only, ...rest } = {}) {
      const client = new AcmeTestClient({
        directoryUrl: DIRECTORY_URL,
        ca: all[0]?.rootPem ?? '',
        connectTo: () => {
          const url = only === undefined ? undefined : all[only]?.urls.base
          if (url !== undefined) return { host: '127.0.0.1', port: Number(new URL(url).port) }
          const alive = places()
          const chosen = alive[Math.floor(random() * alive.length)]
          if (chosen === undefined) throw new Error('no replica is alive')
          return chosen
        },
        ...rest,
      })
      clients.push(client)
      return client
    },
    async metric(replica, name) {
      const text = await (await fetch(`${all[replica]?.urls.admin}/metrics`)).text()
      const samples = text.split('\n').filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`))
      return samples.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0)
    },
    async close() {
      for (const client of clients) client.close()
      await Promise.all(all.map((replica) => replica.stop().catch(() => undefined)))
      await Promise.all(all.map(({ home }) => rm(home, { recursive: true, force: true })))
      await server.dropDatabase(database)
    },
  }
}
