import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { withDeadline } from './deadline.ts'
import type { SigningKey } from './signer.ts'
import { SignerError } from './signer.ts'

const keyThat = (sign: SigningKey['sign']): SigningKey => ({
  spkiDer: Buffer.alloc(0),
  algorithm: 'ecdsa-with-SHA256',
  sign,
})

test('a key that answers is not in the way, and leaves no timer behind', async () => {
  const clock = new FakeClock()
  const signature = Buffer.from('signature')
  const key = withDeadline(
    keyThat(async () => signature),
    clock,
    10_000,
  )
  assert.equal(await key.sign(Buffer.alloc(1)), signature)
  await new Promise((resolve) => setImmediate(resolve))
  assert.equal(clock.sleeping, 0)
})

test('what the key itself says is passed on', async () => {
  const error = new SignerError('KEY_NOT_FOUND', 'gone')
  const key = withDeadline(
    keyThat(() => Promise.reject(error)),
    new FakeClock(),
  )
  await assert.rejects(key.sign(Buffer.alloc(1)), error)
})

test('KF-E13 a key that hangs is away when its time is up, and a late answer or error hurts nobody', async () => {
  for (const late of ['answer', 'error'] as const) {
    const clock = new FakeClock()
    const { promise, resolve, reject } = Promise.withResolvers<Buffer>()
    const key = withDeadline(
      keyThat(() => promise),
      clock,
      10_000,
    )
    const signing = key.sign(Buffer.alloc(1))
    const refused = assert.rejects(signing, { code: 'UNAVAILABLE', message: /within 10 s/ })
    await clock.advance(10_000)
    await refused
    if (late === 'answer') resolve(Buffer.alloc(1))
    else reject(new Error('too late'))
    await new Promise((done) => setImmediate(done))
  }
})
