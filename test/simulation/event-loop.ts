import crypto from 'node:crypto'
import { syncBuiltinESMExports } from 'node:module'
import timersPromises from 'node:timers/promises'

/**
 * Takes over the two ways in which the program leaves its own turn without asking a clock: `setImmediate`, and
 * signatures on the thread pool. While a simulation runs, the first becomes an entry of the simulation's own queue and
 * the second is done at once, so that nothing depends on how busy the machine is. Import this before anything of `src/`;
 * outside of a simulation everything is as it was.
 */

export const realImmediate: typeof setImmediate = globalThis.setImmediate

let turns: (() => void)[] | undefined

/** Gives the loop to one simulation; `undefined` gives it back. */
export function ownEventLoop(queue: (() => void)[] | undefined): void {
  if (queue !== undefined && turns !== undefined) throw new Error('one simulation at a time has the event loop')
  turns = queue
}

const immediate = (run: (...args: unknown[]) => void, ...args: unknown[]): NodeJS.Immediate => {
  if (turns === undefined) return realImmediate(run, ...args)
  turns.push(() => run(...args))
  return undefined as unknown as NodeJS.Immediate
}
globalThis.setImmediate = immediate as typeof setImmediate

const realTurn = timersPromises.setImmediate
const turn = <T>(value?: T, options?: { signal?: AbortSignal }): Promise<T> => {
  const queue = turns
  if (queue === undefined) return realTurn(value as T, options)
  return new Promise((resolve) => void queue.push(() => resolve(value as T)))
}

type Done = (error: Error | null, result?: unknown) => void
type MaybeAsync = (...args: unknown[]) => unknown

/** The same work on this thread; the answer comes in a later microtask, as the caller of a callback expects. */
function inline(real: MaybeAsync): MaybeAsync {
  return (...args) => {
    const done = args.at(-1)
    if (turns === undefined || typeof done !== 'function') return real(...args)
    let settle: () => void
    try {
      const result = real(...args.slice(0, -1))
      settle = () => (done as Done)(null, result)
    } catch (error) {
      settle = () => (done as Done)(error as Error)
    }
    queueMicrotask(settle)
    return undefined
  }
}

Object.assign(timersPromises, { setImmediate: turn })
Object.assign(crypto, { sign: inline(crypto.sign as MaybeAsync), verify: inline(crypto.verify as MaybeAsync) })
syncBuiltinESMExports()
