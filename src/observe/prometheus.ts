import { monitorEventLoopDelay } from 'node:perf_hooks'
import { AggregatorRegistry, Registry } from 'prom-client'
import { COUNTERS, GAUGES, type GaugeName, HISTOGRAMS, type Labels, type Metrics } from './metrics.ts'
import { Distribution, type Sample, Values } from './series.ts'

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

/**
 * Every metric of the tables in `metrics.ts`. What is counted is kept here as plain numbers, for the library sorts and
 * hashes labels at every call; it is handed over to be written out, as the numbers of a worker process would be.
 */
export function createMetrics(): ScrapedMetrics {
  const counters = tableOf(COUNTERS, (_name, labels) => new Values(labels))
  const histograms = tableOf(HISTOGRAMS, (name, labels) => new Distribution(name, labels, BUCKETS))
  const gauges = tableOf(GAUGES, (_name, labels) => new Values(labels))
  const set = (name: GaugeName, value: number, labels: Labels = NO_LABELS): void => gauges[name].set(labels, value)
  const delay = monitorEventLoopDelay({ resolution: DELAY_RESOLUTION_MS })
  delay.enable()
  return {
    contentType: Registry.PROMETHEUS_CONTENT_TYPE,
    count: (name, labels = NO_LABELS, by = 1) => counters[name].count(labels, by),
    observe: (name, seconds, labels = NO_LABELS) => histograms[name].observe(labels, seconds),
    set,
    scrape: () => {
      for (const quantile of DELAY_QUANTILES)
        set('chancery_event_loop_delay_seconds', eventLoopDelaySeconds(delay, Number(quantile)), { quantile })
      delay.reset()
      const all = [
        ...exposed('counter', COUNTERS, counters),
        ...exposed('histogram', HISTOGRAMS, histograms),
        ...exposed('gauge', GAUGES, gauges),
      ]
      return AggregatorRegistry.aggregate([all]).metrics()
    },
    close: () => void delay.disable(),
  }
}

const NO_LABELS: Labels = Object.freeze({})

type Described<Name extends string> = Readonly<
  Record<Name, { readonly help: string; readonly labels: readonly string[] }>
>

function tableOf<Name extends string, Kept>(
  metrics: Described<Name>,
  make: (name: Name, labels: readonly string[]) => Kept,
): Readonly<Record<Name, Kept>> {
  const names = Object.keys(metrics) as Name[]
  return Object.fromEntries(names.map((name) => [name, make(name, metrics[name].labels)])) as Record<Name, Kept>
}

/** Metrics in the form in which the library takes those of other processes. */
function exposed<Name extends string>(
  type: 'counter' | 'gauge' | 'histogram',
  metrics: Described<Name>,
  kept: Readonly<Record<Name, { samples(): Sample[] }>>,
): object[] {
  const names = Object.keys(metrics) as Name[]
  return names.map((name) => ({
    name,
    help: metrics[name].help,
    type,
    aggregator: 'first',
    values: kept[name].samples(),
  }))
}

/** The histogram holds the time between two looks, so that of a loop that is never late is the resolution. */
function eventLoopDelaySeconds(delay: ReturnType<typeof monitorEventLoopDelay>, quantile: number): number {
  const nanoseconds = delay.percentile(100 * quantile)
  return Number.isFinite(nanoseconds) ? Math.max(0, nanoseconds / 1e9 - DELAY_RESOLUTION_MS / 1000) : 0
}
