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

test('a histogram holds every observation once, however many there were and however often it is scraped', async () => {
  const metrics = createMetrics()
  try {
    for (let i = 0; i < 1000; i++)
      metrics.observe('chancery_queue_wait_seconds', i < 10 ? 0.02 : 0.003, { queue: 'requests', kind: 'begin' })
    metrics.observe('chancery_queue_wait_seconds', 60, { kind: 'finish', queue: 'requests' })
    await metrics.scrape()
    metrics.observe('chancery_queue_wait_seconds', 0.003, { kind: 'begin', queue: 'requests' })
    const text = await metrics.scrape()
    assert.match(text, /^chancery_queue_wait_seconds_bucket\{le="0\.005",queue="requests",kind="begin"\} 991$/m)
    assert.match(text, /^chancery_queue_wait_seconds_bucket\{le="\+Inf",queue="requests",kind="begin"\} 1001$/m)
    assert.match(text, /^chancery_queue_wait_seconds_sum\{queue="requests",kind="begin"\} 3\.17\d*$/m)
    assert.match(text, /^chancery_queue_wait_seconds_bucket\{le="30",kind="finish",queue="requests"\} 0$/m)
    assert.match(text, /^chancery_queue_wait_seconds_count\{kind="finish",queue="requests"\} 1$/m)
    assert.equal(text.match(/^chancery_queue_wait_seconds_count/gm)?.length, 2)
  } finally {
    metrics.close()
  }
})

test('a counter goes on where the last scrape was, and is there when it has no labels and was never counted', async () => {
  const metrics = createMetrics()
  try {
    metrics.count('chancery_acme_requests_total', { endpoint: 'order', status: '200' })
    assert.match(await metrics.scrape(), /^chancery_acme_requests_total\{endpoint="order",status="200"\} 1$/m)
    metrics.count('chancery_acme_requests_total', { status: '200', endpoint: 'order' })
    metrics.count('chancery_acme_requests_total', { endpoint: 'order', status: '404' })
    const text = await metrics.scrape()
    assert.match(text, /^chancery_acme_requests_total\{endpoint="order",status="200"\} 2$/m)
    assert.match(text, /^chancery_acme_requests_total\{endpoint="order",status="404"\} 1$/m)
    assert.match(text, /^chancery_rows_deleted_total 0$/m)
  } finally {
    metrics.close()
  }
})

test('labels that a metric does not have, and values that are no numbers, are found where they are given', () => {
  const metrics = createMetrics()
  try {
    assert.throws(() => metrics.count('chancery_nonces_total', { status: 'good' }), /no label status/)
    assert.throws(() => metrics.count('chancery_rows_deleted_total', {}, -1), TypeError)
    assert.throws(() => metrics.observe('chancery_store_commit_seconds', Number.NaN), TypeError)
  } finally {
    metrics.close()
  }
})
