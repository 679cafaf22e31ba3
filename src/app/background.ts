import type { Clock } from '../lib/clock.ts'
import type { Logger } from '../observe/log.ts'

/** Work that is done again and again until the process stops. */
export interface Background {
  /** Runs `work` every so often, the first time after `firstSeconds` (default: at once). A failure is logged, and the next round comes. */
  every(
    name: string,
    seconds: number,
    work: (signal: AbortSignal) => Promise<void> | void,
    options?: { readonly firstSeconds?: number },
  ): void
  /** Ends all loops; resolves when the rounds under way have ended. */
  stop(): Promise<void>
}

export function createBackground(deps: { readonly clock: Clock; readonly log: Logger }): Background {
  const stopping = new AbortController()
  const loops: Promise<void>[] = []
  const { signal } = stopping
  return {
    every: (name, seconds, work, options = {}) => {
      const loop = async (): Promise<void> => {
        await deps.clock.sleep((options.firstSeconds ?? 0) * 1000, signal)
        while (!signal.aborted) {
          try {
            await work(signal)
          } catch (error) {
            deps.log.error('background.failed', { work: name, error })
          }
          await deps.clock.sleep(seconds * 1000, signal)
        }
      }
      loops.push(loop())
    },
    stop: async () => {
      stopping.abort()
      await Promise.all(loops)
    },
  }
}
