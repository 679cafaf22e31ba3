import type { Clock } from '../lib/clock.ts'
import { within } from '../lib/within.ts'
import type { SigningKey } from './signer.ts'
import { SignerError } from './signer.ts'

/** Longer than any key of ours needs; a device that has not answered by then is taken for one that is away. */
export const SIGN_DEADLINE_MS = 10_000

/**
 * A key that answers or fails within `deadlineMs`: one that hangs would hold up orders, lists and the stop of the
 * process for ever (KF-E13). What it answers after that is thrown away, so that whoever asked can ask again.
 *
 * Its `sign` rejects with `SignerError` `UNAVAILABLE` when the time is up.
 */
export function withDeadline(key: SigningKey, clock: Clock, deadlineMs: number = SIGN_DEADLINE_MS): SigningKey {
  return {
    spkiDer: key.spkiDer,
    algorithm: key.algorithm,
    sign: async (message) =>
      within(clock, deadlineMs, key.sign(message), () =>
        Promise.reject(new SignerError('UNAVAILABLE', `the key did not sign within ${deadlineMs / 1000} s`)),
      ),
  }
}
