import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { Worker } from 'node:worker_threads'
import { type SpawnedChancery, spawnChancery } from '../test/support/chancery.ts'

/** A server in a process of its own, with what can be seen of it from outside. */
export interface WatchedServer extends SpawnedChancery {
  /** User and system time of the process so far, in milliseconds; undefined elsewhere than on Linux. */
  cpuMs(): number | undefined
  /** Most memory it ever had, in MiB. */
  peakMiB(): number | undefined
  /** Memory it has now, in MiB. */
  memoryMiB(): number | undefined
  /** All samples of its metrics by name and labels. A scrape ends the interval of the event loop's delay. */
  metrics(): Promise<Map<string, number>>
  /** The event loop's delay since the last scrape, 99th percentile, in milliseconds. */
  loopDelayMs(): Promise<number>
  /** Asks `/healthz` and `/readyz` every 200 ms until the returned function is called, which tells how it went. */
  probe(): () => Promise<HealthSeen>
}

export interface HealthSeen {
  readonly probes: number
  readonly failed: number
  readonly slowestMs: number
}

export async function startWatchedServer(set: readonly string[]): Promise<WatchedServer> {
  const server = await spawnChancery({ set })
  const file = (name: string): string | undefined => {
    try {
      return readFileSync(`/proc/${server.pid}/${name}`, 'utf8')
    } catch {
      return undefined
    }
  }
  const status = (key: string): number | undefined => {
    const kib = new RegExp(`${key}:\\s+(\\d+)`).exec(file('status') ?? '')?.[1]
    return kib === undefined ? undefined : Math.round(Number(kib) / 1024)
  }
  const metrics = async (): Promise<Map<string, number>> => {
    const text = await (await fetch(`${server.urls.admin}/metrics`)).text()
    const samples = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
    return new Map(
      samples.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ') + 1))]),
    )
  }
  return {
    ...server,
    // /proc counts in hundredths of a second.
    cpuMs: () => {
      const fields = file('stat')?.split(') ')[1]?.split(' ')
      return fields === undefined ? undefined : (Number(fields[11]) + Number(fields[12])) * 10
    },
    peakMiB: () => status('VmHWM'),
    memoryMiB: () => status('VmRSS'),
    metrics,
    loopDelayMs: async () => ((await metrics()).get('chancery_event_loop_delay_seconds{quantile="0.99"}') ?? 0) * 1000,
    probe: () => {
      const prober = new Worker(new URL('./prober.ts', import.meta.url), { workerData: server.urls.admin })
      return async () => {
        const [result] = await Promise.all([once(prober, 'message'), prober.postMessage('stop')])
        return result[0] as HealthSeen
      }
    },
  }
}

export function percentile(values: readonly number[], share: number): number {
  if (values.length === 0) return 0
  const sorted = [...values].sort((a, b) => a - b)
  return round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0)
}

export function round(value: number): number {
  return Math.round(value * 100) / 100
}

/** A loopback address of its own for each n below eight million. */
export function loopback(n: number): string {
  return `127.${1 + Math.floor(n / 65_024)}.${Math.floor(n / 254) % 256}.${1 + (n % 254)}`
}
