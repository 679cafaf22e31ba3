import type { Clock } from './clock.ts'

/**
 * What `work` ends with, or what `late` gives or throws when it has not ended after `ms`. It is listened to all the same, so
 * that a late rejection is never unhandled and cannot stop the process (KF-F14).
 */
export function within<T, L>(
  clock: Pick<Clock, 'after'>,
  ms: number,
  work: Promise<T>,
  late: () => L | Promise<L>,
): Promise<T | L> {
  return new Promise((resolve, reject) => {
    const cancel = clock.after(ms, () => resolve(new Promise<L>((settle) => settle(late()))))
    work.then(resolve, reject).then(cancel)
  })
}
