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
  const counters = new Map<CounterName, (labels: Labels) => Counter.Internal>()
  const histograms = new Map<HistogramName, (labels: Labels) => Histogram.Internal<string>>()
  const gauges = new Map<GaugeName, (labels: Labels) => Gauge.Internal<string>>()
  for (const [name, { help, labels }] of Object.entries(COUNTERS)) {
    const counter = new Counter({ name, help, labelNames: [...labels], registers: [registry] })
    counters.set(
      name as CounterName,
      remembered((values) => counter.labels(values)),
    )
  }
  for (const [name, { help, labels }] of Object.entries(HISTOGRAMS)) {
    const histogram = new Histogram({ name, help, labelNames: [...labels], buckets: BUCKETS, registers: [registry] })
    histograms.set(
      name as HistogramName,
      remembered((values) => histogram.labels(values)),
    )
  }
  for (const [name, { help, labels }] of Object.entries(GAUGES)) {
    const gauge = new Gauge({ name, help, labelNames: [...labels], registers: [registry] })
    gauges.set(
      name as GaugeName,
      remembered((values) => gauge.labels(values)),
    )
  }
  const set = (name: GaugeName, value: number, labels: Labels = NO_LABELS): void =>
    gauges.get(name)?.(labels).set(value)
  const delay = monitorEventLoopDelay({ resolution: DELAY_RESOLUTION_MS })
  delay.enable()
  return {
    contentType: registry.contentType,
    count: (name, labels = NO_LABELS, by = 1) => counters.get(name)?.(labels).inc(by),
    observe: (name, seconds, labels = NO_LABELS) => histograms.get(name)?.(labels).observe(seconds),
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

/**
 * The series of some label values, looked up once: the library checks and hashes labels at each use, which costs more
 * than the counting. Label values come from small closed sets, and so does what is remembered.
 */
function remembered<T>(series: (labels: Labels) => T): (labels: Labels) => T {
  const known = new Map<string, T>()
  return (labels) => {
    let key = ''
    for (const name in labels) key += `${name}=${labels[name]}\n`
    let found = known.get(key)
    if (found === undefined) {
      found = series(labels)
      known.set(key, found)
    }
    return found
  }
}

/** The histogram holds the time between two looks, so that of a loop that is never late is the resolution. */
function eventLoopDelaySeconds(delay: ReturnType<typeof monitorEventLoopDelay>, quantile: number): number {
  const nanoseconds = delay.percentile(100 * quantile)
  return Number.isFinite(nanoseconds) ? Math.max(0, nanoseconds / 1e9 - DELAY_RESOLUTION_MS / 1000) : 0
}
