import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { RecordingLogger, RecordingMetrics } from '../../test/support/recorders.ts'
import type { CertificateStore } from '../store/store.ts'
import { createRevocation, isRevocationReason } from './create-revocation.ts'

test('KF-D07 only six reasons may be given', () => {
  const allowed = Array.from({ length: 300 }, (_, i) => i - 5).filter(isRevocationReason)
  assert.deepEqual(allowed, [0, 1, 3, 4, 5, 9])
  for (const odd of ['1', 1.5, Number.NaN, null, undefined, {}, 'toString', '__proto__'])
    assert.equal(isRevocationReason(odd), false)
})

test('KF-D07 a reason outside of the list never reaches the store', async () => {
  const certificates = { revoke: () => assert.fail('the store was asked') } as unknown as CertificateStore
  const revocation = createRevocation({
    store: { certificates },
    clock: new FakeClock(),
    log: new RecordingLogger(),
    metrics: new RecordingMetrics(),
    publisher: { notify: () => assert.fail('the publisher was told') },
  })
  for (const reason of [2, 6, 7, 8, 10]) {
    await assert.rejects(
      revocation.revoke({
        issuerId: 'i',
        serial: '5a',
        reason: reason as 1,
        provedKey: false,
        requestId: 'r',
        by: 'operator',
      }),
      RangeError,
    )
  }
})
