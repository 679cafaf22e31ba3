import { readdirSync, readFileSync } from 'node:fs'

/** CPU time in milliseconds, user and system. */
export interface CpuTime {
  /** Of the whole process, threads that ended included. */
  readonly allMs: number
  /** Of the main thread alone. */
  readonly mainMs: number
  /** The part of that which the kernel took: sockets, the disk, waking up. */
  readonly mainKernelMs: number
  /** Of the thread that takes part in a sampling profiler; 0 when none runs. */
  readonly profilerMs: number
}

/** From /proc, so undefined elsewhere than on Linux. */
export function cpuTime(pid: number): CpuTime | undefined {
  const all = statOf(`/proc/${pid}/stat`)
  const main = statOf(`/proc/${pid}/task/${pid}/stat`)
  if (all === undefined || main === undefined) return undefined
  const profiler = threadsOf(pid).find(({ name }) => name === 'v8:ProfEvntProc')
  return { allMs: all.cpuMs, mainMs: main.cpuMs, mainKernelMs: main.kernelMs, profilerMs: profiler?.cpuMs ?? 0 }
}

/** The most memory that the process had at any time. */
export function peakMiB(pid: number): number | undefined {
  const kib = /VmHWM:\s+(\d+)/.exec(read(`/proc/${pid}/status`) ?? '')?.[1]
  return kib === undefined ? undefined : Math.round(Number(kib) / 1024)
}

interface ThreadStat {
  readonly name: string
  readonly cpuMs: number
  readonly kernelMs: number
}

/** Milliseconds of CPU that the threads of each name had so far, the main thread apart; empty elsewhere than on Linux. */
export function cpuByThreadName(pid: number): ReadonlyMap<string, number> {
  const byName = new Map<string, number>()
  for (const { id, name, cpuMs } of threadsOf(pid)) {
    if (id !== String(pid)) byName.set(name, (byName.get(name) ?? 0) + cpuMs)
  }
  return byName
}

function threadsOf(pid: number): (ThreadStat & { readonly id: string })[] {
  let ids: string[]
  try {
    ids = readdirSync(`/proc/${pid}/task`)
  } catch {
    return []
  }
  return ids.flatMap((id) => {
    const stat = statOf(`/proc/${pid}/task/${id}/stat`)
    return stat === undefined ? [] : [{ id, ...stat }]
  })
}

/** /proc counts in hundredths of a second. The name, which may hold anything, ends at the last `)`. */
function statOf(path: string): ThreadStat | undefined {
  const text = read(path)
  if (text === undefined) return undefined
  const end = text.lastIndexOf(')')
  const fields = text.slice(end + 2).split(' ')
  const [userMs, kernelMs] = [Number(fields[11]) * 10, Number(fields[12]) * 10]
  return { name: text.slice(text.indexOf('(') + 1, end), cpuMs: userMs + kernelMs, kernelMs }
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
