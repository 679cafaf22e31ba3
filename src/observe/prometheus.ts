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
  const delay = monitorEventLoopDelay({ resolution: 10 })
  delay.enable()
  return {
    contentType: registry.contentType,
    count: (name, labels = {}, by = 1) => counters.get(name)?.inc(labels, by),
    observe: (name, seconds, labels = {}) => histograms.get(name)?.observe(labels, seconds),
    set: (name, value, labels = {}) => gauges.get(name)?.set(labels, value),
    scrape: () => {
      gauges.get('chancery_event_loop_delay_p99_seconds')?.set(eventLoopDelaySeconds(delay))
      delay.reset()
      return registry.metrics()
    },
    close: () => void delay.disable(),
  }
}

function eventLoopDelaySeconds(delay: ReturnType<typeof monitorEventLoopDelay>): number {
  const nanoseconds = delay.percentile(99)
  return Number.isFinite(nanoseconds) ? nanoseconds / 1e9 : 0
}
