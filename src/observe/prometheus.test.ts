import assert from 'node:assert/strict'
import { test } from 'node:test'
import { COUNTERS, GAUGES, HISTOGRAMS } from './metrics.ts'
import { createMetrics } from './prometheus.ts'

test('every metric of the tables is in a scrape with its help, before it was ever used', async () => {
  const metrics = createMetrics()
  try {
    const text = await metrics.scrape()
    for (const [name, { help }] of Object.entries({ ...COUNTERS, ...HISTOGRAMS, ...GAUGES }))
      assert.ok(text.includes(`# HELP ${name} ${help}\n`), name)
  } finally {
    metrics.close()
  }
})

test('counting, observing and setting show in the next scrape', async () => {
  const metrics = createMetrics()
  try {
    metrics.count('chancery_nonces_total', { outcome: 'good' })
    metrics.count('chancery_nonces_total', { outcome: 'good' }, 2)
    metrics.observe('chancery_http_request_seconds', 0.2, { endpoint: 'order' })
    metrics.set('chancery_validation_jobs', 7)
    const text = await metrics.scrape()
    assert.match(text, /^chancery_nonces_total\{outcome="good"\} 3$/m)
    assert.match(text, /^chancery_http_request_seconds_count\{endpoint="order"\} 1$/m)
    assert.match(text, /^chancery_http_request_seconds_bucket\{le="0\.1",endpoint="order"\} 0$/m)
    assert.match(text, /^chancery_validation_jobs 7$/m)
  } finally {
    metrics.close()
  }
})

test('two sets of metrics in one process do not disturb each other', async () => {
  const [one, two] = [createMetrics(), createMetrics()]
  try {
    one.count('chancery_orders_total', { event: 'created' })
    assert.equal((await two.scrape()).includes('event="created"'), false)
  } finally {
    one.close()
    two.close()
  }
})
