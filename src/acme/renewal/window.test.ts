import assert from 'node:assert/strict'
import { test } from 'node:test'
import { anyHex, certificateRecord, later } from '../../../test/support/records.ts'
import type { CertificateRecord } from '../../store/records.ts'
import type { RenewalFacts } from './window.ts'
import { renewalWindow } from './window.ts'

const START = new Date('2026-03-01T00:00:00Z')
const CALM: RenewalFacts = { now: START, isIssuerReplaced: false, shortage: 0 }

function living(seconds: number, facts: Partial<CertificateRecord> = {}): CertificateRecord {
  return certificateRecord(START, { notBefore: START, notAfter: later(START, (seconds - 1) * 1000), ...facts })
}

/** The window in shares of the lifetime. */
function shares(seconds: number, facts: Partial<CertificateRecord> = {}, when: Partial<RenewalFacts> = {}) {
  const { start, end } = renewalWindow(living(seconds, facts), { ...CALM, ...when })
  const share = (instant: Date): number => (instant.getTime() - START.getTime()) / 1000 / seconds
  return { start: share(start), end: share(end) }
}

test('a day is renewed from half of its life on, 90 days from two thirds, and both with a fifth of it left', () => {
  for (const [seconds, after] of [
    [86_400, 1 / 2],
    [90 * 86_400, 2 / 3],
  ] as const) {
    for (let i = 0; i < 100; i++) {
      const { start, end } = shares(seconds, { serial: anyHex(16) })
      assert.ok(start >= after - 0.0001 && start <= after + 0.15, `${start}`)
      assert.ok(end > start && end <= after + 0.3001, `${end}`)
    }
  }
})

test('the profile of the certificate says where its window lies', () => {
  const { profile } = living(86_400)
  const { start, end } = shares(86_400, { profile: { ...profile, renewal: { after: 0.3, within: 0.02 } } })
  assert.ok(start >= 0.2999 && end <= 0.3401, `${start} ${end}`)
})

test('the window of one certificate is the same at every question, and never empty however short its life', () => {
  for (const seconds of [2, 5, 60, 300, 3600, 365 * 86_400]) {
    const certificate = living(seconds)
    const { start, end } = renewalWindow(certificate, CALM)
    assert.deepEqual(renewalWindow(certificate, { ...CALM, now: later(START, seconds * 700) }), { start, end })
    assert.ok(end > start)
    assert.equal((start.getTime() % 1000) + (end.getTime() % 1000), 0)
  }
})

test('KF-E17 the windows of 10,000 certificates made at once begin all over a span, not together', () => {
  const perTenth = Array.from({ length: 10 }, () => 0)
  for (let i = 0; i < 10_000; i++) {
    const tenth = Math.floor(((shares(86_400, { serial: anyHex(16) }).start - 0.5) / 0.15) * 10)
    perTenth[Math.min(9, tenth)] = (perTenth[Math.min(9, tenth)] ?? 0) + 1
  }
  for (const count of perTenth) assert.ok(count > 800 && count < 1200, String(perTenth))
})

test('KF-D14 a revoked certificate and every one of an issuer that is replaced are to be renewed at once', () => {
  const now = later(START, 3_600_000)
  const revoked = renewalWindow(living(86_400, { revokedAt: now, revocationReason: 4 }), { ...CALM, now })
  assert.ok(revoked.start < revoked.end && revoked.end <= now)
  const replaced = renewalWindow(living(86_400), { ...CALM, now, isIssuerReplaced: true })
  assert.ok(replaced.start < replaced.end && replaced.end <= now)
})

test('while the server is short of capacity, windows are longer, and those that are open begin again later', () => {
  const serial = '41'.repeat(16)
  const calm = shares(86_400, { serial })
  const half = shares(86_400, { serial }, { shortage: 0.5 })
  const full = shares(86_400, { serial }, { shortage: 1 })
  assert.equal(half.start, calm.start)
  assert.ok(calm.end < half.end && half.end < full.end && full.end <= 0.9001)
  const now = later(START, 86_400_000 * 0.7)
  const open = shares(86_400, { serial }, { shortage: 1, now })
  assert.ok(open.start > 0.7 && open.start < open.end && open.end <= 0.9001, `${open.start}`)
})
