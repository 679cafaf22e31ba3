import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RecordingMetrics } from '../../test/support/recorders.ts'
import { readDerField } from './base64-field.ts'
import type { AcmeServices } from './endpoint.ts'

function services(acceptPaddedBase64: boolean) {
  const metrics = new RecordingMetrics()
  return { metrics, all: { metrics, settings: { acceptPaddedBase64 } } as unknown as AcmeServices }
}

const BYTES = [
  Buffer.from([0xfb, 0xff, 0xfe]),
  Buffer.from([0xfb, 0xff, 0xfe, 1]),
  Buffer.from([0xfb, 0xff, 0xfe, 1, 2]),
]

test('CQ-J03 csr and certificate may end in 0, 1 or 2 signs of padding, and the padded ones are counted', () => {
  for (const field of ['csr', 'certificate'] as const) {
    const { all, metrics } = services(true)
    for (const bytes of BYTES) {
      assert.deepEqual(readDerField(field, bytes.toString('base64url'), all), bytes)
      const padded = bytes.toString('base64').replaceAll('+', '-').replaceAll('/', '_')
      assert.deepEqual(readDerField(field, padded, all), bytes)
    }
    assert.equal(metrics.counts.get(`chancery_padded_base64_total ${field}`), 2)
  }
})

test('CQ-J03 with the setting off padding is refused', () => {
  const { all, metrics } = services(false)
  assert.throws(() => readDerField('csr', '-__-AQ==', all), { type: 'malformed', message: /without padding/ })
  assert.equal(metrics.counts.size, 0)
})

test('everything else that is not base64url is refused: standard alphabet, breaks, spaces, loose bits, more padding', () => {
  const { all } = services(true)
  for (const bad of ['+//+', '-__-\n', ' -__-', '-__-===', '-_=_', '-__-AR==', 'A', '-__-AQ=A']) {
    assert.throws(() => readDerField('csr', bad, all), { type: 'malformed' }, JSON.stringify(bad))
  }
})

test('a missing, empty or other than text member is malformed, and the detail names it', () => {
  const { all } = services(true)
  for (const bad of [undefined, null, '', 7, {}, []]) {
    assert.throws(() => readDerField('csr', bad, all), { type: 'malformed', message: /"csr"/ })
  }
})

test('PEM is recognised, and the detail says what to send instead', () => {
  const { all } = services(true)
  const pem = '-----BEGIN CERTIFICATE REQUEST-----\nMIIB\n-----END CERTIFICATE REQUEST-----\n'
  assert.throws(() => readDerField('csr', pem, all), { type: 'malformed', message: /PEM.*DER/ })
})
