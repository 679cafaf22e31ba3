import { monitorEventLoopDelay } from 'node:perf_hooks'
import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import {
  COUNTERS,
  type CounterName,
  GAUGES,
  type GaugeName,
  HISTOGRAMS,
  type HistogramName,
  type Metrics,
} from './metrics.ts'

/** Metrics that can be scraped. */
export interface ScrapedMetrics extends Metrics {
  readonly contentType: string
  /** The exposition text. Resets the event loop delay, so that each scrape sees its own interval. */
  scrape(): Promise<string>
  /** Stops measuring the event loop. */
  close(): void
}

/** From a quarter of a millisecond, a commit in memory, to the half minute of a slow validation. */
const BUCKETS = [0.00025, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]

/** How often the event loop is looked at, in milliseconds. */
const DELAY_RESOLUTION_MS = 10
const DELAY_QUANTILES = ['0.5', '0.99', '1'] as const

type Labels = Readonly<Record<string, string>>

/** Makes every metric of the tables in `metrics.ts`, in a registry of its own. */
export function createMetrics(): ScrapedMetrics {
  const registry = new Registry()
  const counters = new Map<CounterName, Counter>()
  const histograms = new Map<HistogramName, Histogram>()
  const gauges = new Map<GaugeName, Gauge>()
  for (const [name, { help, labels }] of Object.entries(COUNTERS)) {
    counters.set(name as CounterName, new Counter({ name, help, labelNames: [...labels], registers: [registry] }))
  }
  for (const [name, { help, labels }] of Object.entries(HISTOGRAMS)) {
    histograms.set(
      name as HistogramName,
      new Histogram({ name, help, labelNames: [...labels], buckets: BUCKETS, registers: [registry] }),
    )
  }
  for (const [name, { help, labels }] of Object.entries(GAUGES)) {
    gauges.set(name as GaugeName, new Gauge({ name, help, labelNames: [...labels], registers: [registry] }))
  }
  const set = (name: GaugeName, value: number, labels: Labels = NO_LABELS): void => gauges.get(name)?.set(labels, value)
  const delay = monitorEventLoopDelay({ resolution: DELAY_RESOLUTION_MS })
  delay.enable()
  return {
    contentType: registry.contentType,
    count: (name, labels = NO_LABELS, by = 1) => counters.get(name)?.inc(labels, by),
    observe: (name, seconds, labels = NO_LABELS) => histograms.get(name)?.observe(labels, seconds),
    set,
    scrape: () => {
      for (const quantile of DELAY_QUANTILES)
        set('chancery_event_loop_delay_seconds', eventLoopDelaySeconds(delay, Number(quantile)), { quantile })
      delay.reset()
      return registry.metrics()
    },
    close: () => void delay.disable(),
  }
}

const NO_LABELS: Labels = Object.freeze({})

/** The histogram holds the time between two looks, so that of a loop that is never late is the resolution. */
function eventLoopDelaySeconds(delay: ReturnType<typeof monitorEventLoopDelay>, quantile: number): number {
  const nanoseconds = delay.percentile(100 * quantile)
  return Number.isFinite(nanoseconds) ? Math.max(0, nanoseconds / 1e9 - DELAY_RESOLUTION_MS / 1000) : 0
}
