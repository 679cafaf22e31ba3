import type { Clock } from '../lib/clock.ts'
import type { SigningKey } from './signer.ts'
import { SignerError } from './signer.ts'

/** Longer than any key of ours needs; a device that has not answered by then is taken for one that is away. */
export const SIGN_DEADLINE_MS = 10_000

const TOO_LATE: unique symbol = Symbol('too late')
/** A reason given costs nothing; without one, each abort makes an error with a stack. */
const DONE = Symbol('done')

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
    async sign(message) {
      const answered = new AbortController()
      const work = key.sign(message)
      work.catch(() => undefined)
      const late = clock.sleep(deadlineMs, answered.signal).then((): typeof TOO_LATE => TOO_LATE)
      try {
        const outcome = await Promise.race([work, late])
        if (outcome !== TOO_LATE) return outcome
        throw new SignerError('UNAVAILABLE', `the key did not sign within ${deadlineMs / 1000} s`)
      } finally {
        answered.abort(DONE)
      }
    },
  }
}
