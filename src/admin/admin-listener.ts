import type { PlainAnswer, PlainRoute } from '../http/plain-route.ts'
import type { ScrapedMetrics } from '../observe/prometheus.ts'

/** One thing that must be well for requests to be answered rightly; the text says what is wrong, undefined that it is well. */
export interface ReadinessCheck {
  readonly name: string
  check(): Promise<string | undefined>
}

/**
 * The admin listener in its first form: metrics and health, nothing that changes anything.
 *
 * `/healthz` says that the process answers; `/readyz` that it can do its work, with each check by name. They are
 * independent of issuing, so that a burst of orders fails no probe (KF-E17).
 */
export function adminRoutes(options: { metrics: ScrapedMetrics; checks: readonly ReadinessCheck[] }): PlainRoute[] {
  const { metrics, checks } = options
  return [
    { path: '/healthz', get: () => json(200, { status: 'ok' }) },
    { path: '/readyz', get: () => readiness(checks) },
    {
      path: '/metrics',
      get: async () => ({ contentType: metrics.contentType, body: await metrics.scrape(), headers: NO_STORE }),
    },
  ]
}

const NO_STORE = { 'Cache-Control': 'no-store' }

const json = (status: number, value: object): PlainAnswer => ({
  status,
  contentType: 'application/json',
  body: JSON.stringify(value),
  headers: NO_STORE,
})

async function readiness(checks: readonly ReadinessCheck[]): Promise<PlainAnswer> {
  const results = await Promise.all(
    checks.map(async ({ name, check }) => {
      const problem = await check().catch(() => 'the check itself failed')
      return [name, problem ?? 'ok'] as const
    }),
  )
  const ready = results.every(([, result]) => result === 'ok')
  return json(ready ? 200 : 503, { status: ready ? 'ok' : 'unready', checks: Object.fromEntries(results) })
}
