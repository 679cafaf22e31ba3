/** One node of a V8 CPU profile (Chrome DevTools Protocol, `Profiler.ProfileNode`), as far as it is looked at. */
export interface ProfileNode {
  readonly id: number
  readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number }
  readonly children?: readonly number[]
}

export interface CpuProfile {
  readonly nodes: readonly ProfileNode[]
  /** Ids of the nodes that were on top of the stack, and the microseconds since the sample before. */
  readonly samples: readonly number[]
  readonly timeDeltas: readonly number[]
}

export interface Profiler {
  /** Ends the sampling. `waitedMs` is how long the thread stood still in SQLite, most of it for the disk. */
  stop(): Promise<{ readonly profile: CpuProfile; readonly waitedMs: number }>
}

/** Often enough for a run of a second, seldom enough to cost a few percent. */
const SAMPLING_MICROSECONDS = 500
const ATTACH_TIMEOUT_MS = 10_000

/** Run in the server: measures how much longer a statement takes than it uses the CPU. */
const MEASURE_WAITS = `{
  const { DatabaseSync, StatementSync } = process.getBuiltinModule('node:sqlite')
  let waited = 0
  for (const [prototype, name] of [[StatementSync.prototype, 'run'], [DatabaseSync.prototype, 'exec']]) {
    const original = prototype[name]
    prototype[name] = function (...args) {
      const [at, cpu] = [performance.now(), process.threadCpuUsage()]
      try {
        return original.apply(this, args)
      } finally {
        const { user, system } = process.threadCpuUsage(cpu)
        waited += Math.max(0, performance.now() - at - (user + system) / 1000)
      }
    }
  }
  globalThis.benchWaitedMs = () => waited
}`

/**
 * Starts to sample the main thread of a running Node.js process. The process is told by SIGUSR1 to open its inspector,
 * so it must have been started with `--inspect-port=0`; until then it pays nothing for being measured.
 *
 * @param stderr what the process printed to its standard error so far; the inspector says there where it listens
 */
export async function startProfiler(pid: number, stderr: () => string): Promise<Profiler> {
  if (inspectorUrl(stderr()) === undefined) process.kill(pid, 'SIGUSR1')
  const connection = await connect(await until(() => inspectorUrl(stderr())))
  await connection.call('Profiler.enable')
  await connection.call('Profiler.setSamplingInterval', { interval: SAMPLING_MICROSECONDS })
  await connection.call('Runtime.evaluate', { expression: MEASURE_WAITS })
  await connection.call('Profiler.start')
  return {
    async stop() {
      const { profile } = (await connection.call('Profiler.stop')) as { profile: CpuProfile }
      const waited = (await connection.call('Runtime.evaluate', { expression: 'benchWaitedMs()' })) as {
        result: { value: number }
      }
      connection.close()
      return { profile, waitedMs: waited.result.value }
    },
  }
}

function inspectorUrl(text: string): string | undefined {
  return /Debugger listening on (ws:\S+)/.exec(text)?.[1]
}

async function until<T>(look: () => T | undefined): Promise<T> {
  const deadline = performance.now() + ATTACH_TIMEOUT_MS
  for (;;) {
    const found = look()
    if (found !== undefined) return found
    if (performance.now() > deadline) throw new Error('the server did not open its inspector')
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

interface Connection {
  call(method: string, params?: object): Promise<unknown>
  close(): void
}

async function connect(url: string): Promise<Connection> {
  const socket = new WebSocket(url)
  await new Promise<void>((resolve, reject) => {
    socket.onopen = () => resolve()
    socket.onerror = () => reject(new Error(`cannot connect to the inspector at ${url}`))
  })
  const waiting = new Map<number, PromiseWithResolvers<unknown>>()
  socket.onmessage = ({ data }) => {
    const { id, result, error } = JSON.parse(String(data)) as { id?: number; result?: unknown; error?: object }
    const call = id === undefined ? undefined : waiting.get(id)
    if (call === undefined || id === undefined) return
    waiting.delete(id)
    if (error === undefined) call.resolve(result)
    else call.reject(new Error(`the inspector answered ${JSON.stringify(error)}`))
  }
  socket.onclose = () => {
    for (const call of waiting.values()) call.reject(new Error('the inspector closed the connection'))
  }
  let last = 0
  return {
    call(method, params = {}) {
      const id = ++last
      const call = Promise.withResolvers<unknown>()
      waiting.set(id, call)
      socket.send(JSON.stringify({ id, method, params }))
      return call.promise
    },
    close: () => socket.close(),
  }
}
