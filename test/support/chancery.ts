import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { RUNTIME_FLAGS } from '../../bin/runtime-flags.mjs'
import { type RunningChancery, startChancery } from '../../src/app/start.ts'
import { readConfig } from '../../src/config/read.ts'
import { type Clock, systemClock } from '../../src/lib/clock.ts'
import type { Random } from '../../src/lib/random.ts'
import type { Store } from '../../src/store/store.ts'
import { RecordingLogger } from './recorders.ts'

const REPOSITORY = fileURLToPath(new URL('../..', import.meta.url))
/** Stripping the types of every source file is half of a start; the files of many tests start many processes. */
export const COMPILE_CACHE = join(tmpdir(), 'chancery-test-compile-cache')
/** How long a child process may take to its ready line, in milliseconds; a first start takes about one second. */
const READY_TIMEOUT_MS = 60_000

export interface TestOptions {
  /** Texts of `--set`, over those that every test gets: ephemeral ports, and loopback as a target of proofs. */
  readonly set?: readonly string[]
  /** A state folder of an earlier run; it is then not removed. */
  readonly home?: string
}

export interface TestUrls {
  /** `https://localhost:PORT` */
  readonly base: string
  /** The directory named `default`. */
  readonly directory: string
  /** `http://localhost:PORT` */
  readonly publicHttp: string
  readonly admin: string
}

export interface TestChancery {
  readonly home: string
  readonly urls: TestUrls
  /** PEM of the root; the `ca` of a client. */
  readonly rootPem: string
  readonly running: RunningChancery
  readonly store: Store
  readonly log: RecordingLogger
  /** Stops without waiting for idle clients, and removes the state folder unless it was given. */
  stop(): Promise<void>
}

/** Starts Chancery in this process, on free ports, in a state folder of its own. */
export async function startTestChancery(
  options: TestOptions & { readonly clock?: Clock; readonly random?: Random } = {},
): Promise<TestChancery> {
  const home = options.home ?? (await mkdtemp(join(tmpdir(), 'chancery-app-')))
  const clock = options.clock ?? systemClock
  const { running, log, urls } = await retryPorts(async (ports) => {
    const log = new RecordingLogger()
    const config = await readConfig({ home, set: [...testSettings(ports), ...(options.set ?? [])] })
    const { random } = options
    const running = await startChancery({
      config,
      homePath: home,
      log,
      clock,
      ...(random === undefined ? {} : { random }),
    })
    return { running, log, urls: urlsOf(ports) }
  })
  return {
    home,
    urls,
    rootPem: running.rootPem,
    running,
    store: running.store,
    log,
    async stop() {
      await running.stop({ drainSeconds: 0 })
      if (options.home === undefined) await rm(home, { recursive: true, force: true })
    },
  }
}

export interface SpawnedChancery {
  readonly home: string
  readonly urls: TestUrls
  readonly rootPem: string
  readonly pid: number
  readonly child: ChildProcess
  /** What it printed so far. */
  readonly stdout: () => string
  readonly stderr: () => string
  /** Sends a signal (default SIGTERM) and waits for the end. The state folder stays; see `cleanup`. */
  stop(signal?: NodeJS.Signals): Promise<{ code: number | null; signal: NodeJS.Signals | null }>
  /** Removes the state folder. */
  cleanup(): Promise<void>
}

/** Starts Chancery as users do, in a process of its own, and waits for its ready line. */
export async function spawnChancery(
  options: TestOptions & {
    readonly args?: readonly string[]
    /** Further options of Node.js itself. */
    readonly nodeArgs?: readonly string[]
    readonly env?: Readonly<Record<string, string>>
    /** Told of the process at once, long before it is ready; for tests that end it while it starts. */
    readonly onSpawn?: (child: ChildProcess) => void
  } = {},
): Promise<SpawnedChancery> {
  const home = options.home ?? (await mkdtemp(join(tmpdir(), 'chancery-spawn-')))
  return retryPorts(async (ports) => {
    const settings = [...testSettings(ports), ...(options.set ?? [])].flatMap((text) => ['--set', text])
    const child = spawnCli([...(options.args ?? []), ...settings], {
      home,
      env: options.env ?? {},
      nodeArgs: options.nodeArgs ?? [],
    })
    options.onSpawn?.(child.process)
    await child.waitForReady()
    return {
      home,
      urls: urlsOf(ports),
      rootPem: await readFile(join(home, 'root.pem'), 'utf8'),
      pid: child.process.pid ?? 0,
      child: child.process,
      stdout: child.stdout,
      stderr: child.stderr,
      async stop(signal = 'SIGTERM') {
        // A second signal would mean "at once".
        if (!child.process.killed || signal === 'SIGKILL') child.process.kill(signal)
        await child.ended
        return { code: child.process.exitCode, signal: child.process.signalCode }
      },
      cleanup: () => rm(home, { recursive: true, force: true }),
    }
  })
}

/** Runs one command line of Chancery to its end. */
export async function runChancery(
  args: readonly string[],
  options: {
    readonly home: string
    readonly env?: Readonly<Record<string, string>>
    /** Told of the process at once; for tests that end it while it works. */
    readonly onSpawn?: (child: ChildProcess) => void
  },
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawnCli(args, options)
  options.onSpawn?.(child.process)
  await child.ended
  return { code: child.process.exitCode, stdout: child.stdout(), stderr: child.stderr() }
}

function spawnCli(
  args: readonly string[],
  options: {
    readonly home: string
    readonly env?: Readonly<Record<string, string>>
    readonly nodeArgs?: readonly string[]
  },
) {
  const process_ = spawn(
    process.execPath,
    [...RUNTIME_FLAGS, ...(options.nodeArgs ?? []), join(REPOSITORY, 'src', 'main.ts'), ...args],
    {
      cwd: REPOSITORY,
      env: { ...process.env, NODE_COMPILE_CACHE: COMPILE_CACHE, CHANCERY_HOME: options.home, ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  )
  let stdout = ''
  let stderr = ''
  const ready = Promise.withResolvers<void>()
  let isReady = false
  process_.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
    // Asked of all that was printed, so no longer than it needs to be.
    if (!isReady) isReady = stdout.includes('"event":"ready"')
    if (isReady) ready.resolve()
  })
  process_.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  // `close` comes after the last output, `exit` may not.
  const ended = once(process_, 'close')
  return {
    process: process_,
    ended,
    stdout: () => stdout,
    stderr: () => stderr,
    async waitForReady() {
      const timer = setTimeout(
        () => ready.reject(new Error(`not ready in time:\n${stdout}\n${stderr}`)),
        READY_TIMEOUT_MS,
      )
      ended.then(
        () => ready.reject(new Error(`ended with ${process_.exitCode} before it was ready:\n${stdout}\n${stderr}`)),
        (error: unknown) => ready.reject(error),
      )
      try {
        await ready.promise
      } catch (error) {
        process_.kill('SIGKILL')
        throw error
      } finally {
        clearTimeout(timer)
      }
    },
  }
}

interface Ports {
  readonly acme: number
  readonly public: number
  readonly admin: number
}

function testSettings(ports: Ports): string[] {
  return [
    `listeners.acme=127.0.0.1:${ports.acme}`,
    `listeners.public=127.0.0.1:${ports.public}`,
    `listeners.admin=127.0.0.1:${ports.admin}`,
    'validation.egress.allow=["127.0.0.0/8", "::1/128"]',
  ]
}

function urlsOf(ports: Ports): TestUrls {
  const base = `https://localhost:${ports.acme}`
  return {
    base,
    directory: `${base}/acme/default/directory`,
    publicHttp: `http://localhost:${ports.public}`,
    admin: `http://127.0.0.1:${ports.admin}`,
  }
}

/** URLs must be known before the ports are bound, so free ones are looked for; another process may take one meanwhile. */
async function retryPorts<T>(start: (ports: Ports) => Promise<T>): Promise<T> {
  for (let left = 5; ; left--) {
    const [acme, public_, admin] = await freePorts(3)
    try {
      return await start({ acme: acme ?? 0, public: public_ ?? 0, admin: admin ?? 0 })
    } catch (error) {
      if (left <= 1 || !String(error).includes('EADDRINUSE')) throw error
    }
  }
}

/** Ports on 127.0.0.1 that nobody listened on a moment ago; all different. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer().listen(0, '127.0.0.1')
      await once(server, 'listening')
      return server
    }),
  )
  const ports = servers.map((server) => {
    const address = server.address()
    return typeof address === 'object' && address !== null ? address.port : 0
  })
  await Promise.all(servers.map((server) => once(server.close(), 'close')))
  return ports
}
