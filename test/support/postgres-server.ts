import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { accessSync, constants, readdirSync } from 'node:fs'
import { appendFile, chmod, chown, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import type { PostgresAddress, PostgresSettings } from '../../src/store/postgres/options.ts'
import { findProgram, run } from './program.ts'

/** As the configuration's defaults, with deadlines short enough for tests. */
export const TEST_SETTINGS: PostgresSettings = {
  poolSize: 8,
  connectTimeout: 5,
  acquireTimeout: 5,
  statementTimeout: 10,
  lockTimeout: 5,
  pooler: false,
}

/** The superuser of the test server, let in without a password over its own Unix socket. */
const SUPERUSER = 'postgres'

export interface PostgresServer {
  readonly address: (database: string) => PostgresAddress
  readonly url: (database: string) => string
  /** A new empty database. */
  createDatabase(): Promise<string>
  dropDatabase(name: string): Promise<void>
  /** Copies a database that nobody is connected to. @returns the name of the copy */
  copyDatabase(name: string): Promise<string>
  /** Cuts off everybody from a database and puts another one in its place, under its name. */
  replaceDatabase(name: string, by: string): Promise<void>
  /** Runs SQL as the superuser. */
  sql(database: string, statement: string): Promise<string>
  /** From now on the server has TLS with this certificate and key (PEM), or, without them, none. */
  useTls(identity?: { readonly cert: string; readonly key: string }): Promise<void>
  /** From now on this role must give its password when it comes over TCP. */
  requirePassword(role: string): Promise<void>
  /** SIGKILL to the postmaster and every backend, as a crash of the machine would end them. */
  crash(): Promise<void>
  /** Starts it again on the same data. */
  start(): Promise<void>
  stop(): Promise<void>
  /** The processes that run now: the postmaster and those that it has started. */
  pids(): number[]
  readonly folder: string
  readonly port: number
}

/** A program of PostgreSQL: on PATH, or where Debian keeps it. Undefined when it is not installed. */
export function findPostgresProgram(name: string): string | undefined {
  const onPath = findProgram(name)
  if (onPath !== undefined) return onPath
  let versions: string[] = []
  try {
    versions = readdirSync('/usr/lib/postgresql').sort((a, b) => Number(b) - Number(a))
  } catch {
    // not a Debian, or not installed
  }
  for (const version of versions) {
    const path = join('/usr/lib/postgresql', version, 'bin', name)
    try {
      accessSync(path, constants.X_OK)
      return path
    } catch {
      // the next version may have it
    }
  }
  return undefined
}

/** Why no PostgreSQL can be started here; undefined when one can. With CHANCERY_TEST_NO_SKIP=1 it throws instead. */
export function missingPostgres(): string | undefined {
  return missing(['initdb', 'postgres', 'psql'])
}

export function missingPgBouncer(): string | undefined {
  return missingPostgres() ?? missing(['pgbouncer'])
}

function missing(programs: readonly string[]): string | undefined {
  const absent = programs.find((name) => findPostgresProgram(name) === undefined)
  if (absent === undefined) return undefined
  if (process.env['CHANCERY_TEST_NO_SKIP'] === '1')
    throw new Error(`${absent} is not installed, and nothing may be skipped here`)
  return `${absent} is not installed`
}

function program(name: string): string {
  const path = findPostgresProgram(name)
  if (path === undefined) throw new Error(`${name} is not installed`)
  return path
}

/** PostgreSQL and PgBouncer refuse to run as root; then they run as the user that their package made. */
let serverUser: { readonly uid?: number; readonly gid?: number } | undefined
async function asServer(): Promise<{ readonly uid?: number; readonly gid?: number }> {
  if (serverUser !== undefined) return serverUser
  if (userInfo().uid !== 0) {
    serverUser = {}
    return serverUser
  }
  const ids = await Promise.all(['-u', '-g'].map((flag) => run('id', [flag, 'postgres'])))
  if (ids.some(({ code }) => code !== 0))
    throw new Error('this is root, and there is no user postgres to run servers as')
  const [uid = 0, gid = 0] = ids.map(({ stdout }) => Number(stdout))
  serverUser = { uid, gid }
  return serverUser
}

async function serverFolder(prefix: string): Promise<string> {
  const { uid, gid } = await asServer()
  const folder = await mkdtemp(join(tmpdir(), prefix))
  await chmod(folder, 0o755)
  if (uid !== undefined && gid !== undefined) await chown(folder, uid, gid)
  return folder
}

function childrenOf(parent: number): number[] {
  const listed = spawnSync('ps', ['-o', 'pid=', '--ppid', String(parent)], { encoding: 'utf8' })
  return listed.stdout
    .split(/\s+/)
    .filter((text) => text !== '')
    .map(Number)
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  return typeof address === 'object' && address !== null ? address.port : 0
}

/**
 * A PostgreSQL of its own in a temporary folder, durable as in production.
 *
 * @param settings lines of postgresql.conf
 */
export async function startPostgres(settings: readonly string[] = []): Promise<PostgresServer> {
  const user = await asServer()
  const folder = await serverFolder('chancery-pg-')
  const data = join(folder, 'data')
  const made = await run(
    program('initdb'),
    ['-D', data, '-U', SUPERUSER, '--encoding=UTF8', '--no-locale', '--auth=trust', '--no-sync'],
    { ...user, cwd: folder },
  )
  if (made.code !== 0) throw new Error(`initdb failed: ${made.stderr}`)
  const port = await freePort()
  await appendFile(
    join(data, 'postgresql.conf'),
    [
      '',
      `port = ${port}`,
      "listen_addresses = '127.0.0.1'",
      `unix_socket_directories = '${folder}'`,
      'fsync = on',
      'max_connections = 100',
      'shared_buffers = 32MB',
      'deadlock_timeout = 200ms',
      ...settings,
      '',
    ].join('\n'),
  )
  let child: ChildProcess | undefined
  let databases = 0

  const psql = async (database: string, statement: string): Promise<string> => {
    const ran = await run(
      program('psql'),
      [
        '-X',
        '-q',
        '-A',
        '-t',
        '-v',
        'ON_ERROR_STOP=1',
        '-h',
        folder,
        '-p',
        String(port),
        '-U',
        SUPERUSER,
        '-d',
        database,
        '-c',
        statement,
      ],
      { cwd: folder },
    )
    if (ran.code !== 0) throw new Error(ran.stderr)
    return ran.stdout.trim()
  }

  const server: PostgresServer = {
    folder,
    port,
    address: (database) => ({ host: folder, port, user: SUPERUSER, database, sslMode: 'disable' }),
    url: (database) => `postgres://${SUPERUSER}@localhost:${port}/${database}?host=${encodeURIComponent(folder)}`,
    async createDatabase() {
      const name = `test_${databases++}_${randomBytes(4).toString('hex')}`
      await psql('postgres', `CREATE DATABASE ${name}`)
      return name
    },
    async dropDatabase(name) {
      await psql('postgres', `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`)
    },
    async copyDatabase(name) {
      const copy = `copy_${databases++}_${randomBytes(4).toString('hex')}`
      await psql('postgres', `CREATE DATABASE ${copy} TEMPLATE ${name}`)
      return copy
    },
    async replaceDatabase(name, by) {
      await psql('postgres', `ALTER DATABASE ${name} ALLOW_CONNECTIONS false`)
      await psql('postgres', `SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '${name}'`)
      await psql('postgres', `ALTER DATABASE ${name} RENAME TO ${name}_replaced`)
      await psql('postgres', `ALTER DATABASE ${by} RENAME TO ${name}`)
    },
    sql: psql,
    pids: () => (child?.pid === undefined ? [] : [child.pid, ...childrenOf(child.pid)]),
    async requirePassword(role) {
      const hba = join(data, 'pg_hba.conf')
      await writeFile(hba, `host all ${role} 127.0.0.1/32 scram-sha-256\n${await readFile(hba, 'utf8')}`)
      await psql('postgres', 'SELECT pg_reload_conf()')
    },
    async useTls(identity) {
      for (const [name, text] of Object.entries(identity ?? {})) {
        const file = join(data, name === 'cert' ? 'server.crt' : 'server.key')
        await writeFile(file, text, { mode: 0o600 })
        if (user.uid !== undefined && user.gid !== undefined) await chown(file, user.uid, user.gid)
      }
      const loadedAt = (): Promise<string> => psql('postgres', 'SELECT pg_conf_load_time()')
      const before = await loadedAt()
      await psql('postgres', `ALTER SYSTEM SET ssl = ${identity === undefined ? 'off' : 'on'}`)
      await psql('postgres', 'SELECT pg_reload_conf()')
      for (let attempt = 0; (await loadedAt()) === before; attempt++) {
        if (attempt === 100) throw new Error('the server does not read its configuration again')
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
    },
    async crash() {
      const postmaster = child
      if (postmaster?.pid === undefined) throw new Error('the server does not run')
      // The children first: without their parent they would end by themselves, and politely.
      const children = childrenOf(postmaster.pid)
      const gone = once(postmaster, 'exit')
      postmaster.kill('SIGKILL')
      for (const pid of children) {
        try {
          process.kill(pid, 'SIGKILL')
        } catch {
          // ended already
        }
      }
      await gone
      child = undefined
    },
    async start() {
      // What a crash leaves behind; a postmaster that finds the old one's children alive would refuse.
      const started = spawn(program('postgres'), ['-D', data], {
        ...user,
        cwd: folder,
        stdio: ['ignore', 'ignore', 'pipe'],
      })
      child = started
      let said = ''
      started.stderr.setEncoding('utf8').on('data', (text: string) => {
        said = (said + text).slice(-20_000)
      })
      for (let attempt = 0; attempt < 300; attempt++) {
        if (started.exitCode !== null) throw new Error(`postgres ended: ${said}`)
        try {
          await psql('postgres', 'SELECT 1')
          return
        } catch {
          await new Promise((resolve) => setTimeout(resolve, 50))
        }
      }
      throw new Error(`postgres did not answer: ${said}`)
    },
    async stop() {
      if (child !== undefined && child.exitCode === null) {
        const gone = once(child, 'exit')
        child.kill('SIGINT')
        await gone
      }
      await rm(folder, { recursive: true, force: true })
    },
  }
  await server.start()
  return server
}

export interface PgBouncer {
  readonly address: (database: string) => PostgresAddress
  readonly url: (database: string) => string
  stop(): Promise<void>
}

/** A pooler that gives a server connection out for one transaction only, before the given server. */
export async function startPgBouncer(server: PostgresServer): Promise<PgBouncer> {
  const user = await asServer()
  const folder = await serverFolder('chancery-pgb-')
  const port = await freePort()
  await writeFile(
    join(folder, 'pgbouncer.ini'),
    [
      '[databases]',
      `* = host=${server.folder} port=${server.port}`,
      '[pgbouncer]',
      'listen_addr = 127.0.0.1',
      `listen_port = ${port}`,
      `unix_socket_dir = ${folder}`,
      'auth_type = any',
      'auth_file = ',
      'pool_mode = transaction',
      'default_pool_size = 4',
      'max_client_conn = 200',
      'server_reset_query = ',
      `logfile = ${join(folder, 'log')}`,
      `pidfile = ${join(folder, 'pid')}`,
      '',
    ]
      .join('\n')
      .replace('auth_file = \n', '')
      .replace('* = host', `* = user=${SUPERUSER} host`),
    { mode: 0o644 },
  )
  const child = spawn(program('pgbouncer'), [join(folder, 'pgbouncer.ini')], { ...user, cwd: folder, stdio: 'ignore' })
  const url = (database: string) => `postgres://${SUPERUSER}@127.0.0.1:${port}/${database}`
  for (let attempt = 0; ; attempt++) {
    const ran = await run(program('psql'), ['-X', '-d', url('postgres'), '-c', 'SELECT 1'], { cwd: folder })
    if (ran.code === 0) break
    if (attempt === 100 || child.exitCode !== null)
      throw new Error(
        `pgbouncer does not answer: ${ran.stderr}\n${await readFile(join(folder, 'log'), 'utf8').catch(() => '')}`,
      )
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  return {
    address: (database) => ({ host: '127.0.0.1', port, user: SUPERUSER, database, sslMode: 'disable' }),
    url,
    async stop() {
      if (child.exitCode === null) {
        const gone = once(child, 'exit')
        child.kill('SIGTERM')
        await gone
      }
      await rm(folder, { recursive: true, force: true })
    },
  }
}
