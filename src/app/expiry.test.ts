import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { RecordingLogger, RecordingMetrics } from '../../test/support/recorders.ts'
import { createExpiryWatch, expiryLevel } from './expiry.ts'

const DAY = 86_400_000
const certificate = {
  name: 'root',
  notBefore: new Date('2026-01-01T00:00:00Z'),
  notAfter: new Date(Date.parse('2026-01-01T00:00:00Z') + 300 * DAY),
}
const at = (days: number, ms = 0): Date => new Date(certificate.notBefore.getTime() + days * DAY + ms)

test('KF-E15 a certificate ends soon at a third of its life, urgently at a tenth', () => {
  assert.equal(expiryLevel(certificate, at(0)), 'fine')
  assert.equal(expiryLevel(certificate, at(200, -1)), 'fine')
  assert.equal(expiryLevel(certificate, at(200)), 'soon')
  assert.equal(expiryLevel(certificate, at(270, -1)), 'soon')
  assert.equal(expiryLevel(certificate, at(270)), 'urgent')
  assert.equal(expiryLevel(certificate, at(300)), 'urgent')
  assert.equal(expiryLevel(certificate, at(300, 1)), 'expired')
})

test('KF-E15 each new level is told at once, and then once a day', async () => {
  const clock = new FakeClock(at(199).toISOString())
  const log = new RecordingLogger()
  const look = createExpiryWatch([certificate], { clock, log, metrics: new RecordingMetrics() })
  const lookAfter = async (hours: number): Promise<string[]> => {
    await clock.advance(hours * 3_600_000)
    const before = log.lines.length
    look()
    return log.lines.slice(before).map(({ level, event }) => `${level} ${event}`)
  }
  assert.deepEqual(await lookAfter(0), [])
  assert.deepEqual(await lookAfter(24), ['warn ca.expires_soon'])
  assert.deepEqual(await lookAfter(1), [])
  assert.deepEqual(await lookAfter(23), ['warn ca.expires_soon'])
  assert.deepEqual(await lookAfter(69 * 24), ['error ca.expires_urgently'])
  assert.deepEqual(await lookAfter(31 * 24), ['error ca.expired'])
})
