import type { ChildProcess } from 'node:child_process'
import { pathToFileURL } from 'node:url'
import { type SpawnedChancery, spawnChancery } from '../../support/chancery.ts'
import type { KillPlan } from './kill-plan.ts'

const hook = (name: string): string =>
  `--import=${pathToFileURL(new URL(`../../support/${name}`, import.meta.url).pathname).href}`

export interface DoomedOptions {
  readonly home: string
  readonly plan: KillPlan | undefined
  /** See `test/support/kill-at.ts`. */
  readonly place: string | undefined
  readonly settings: readonly string[]
  readonly signedFile: string
  readonly logFactor: number
  readonly clockOffsetMs: number
}

/**
 * Starts a server that may not live to be ready: it is killed from here while it starts, or kills itself at a place.
 *
 * @returns undefined when it died so
 */
export async function spawnDoomed(options: DoomedOptions): Promise<SpawnedChancery | undefined> {
  const { home, plan, place, clockOffsetMs } = options
  let child: ChildProcess | undefined
  try {
    return await spawnChancery({
      home,
      set: options.settings,
      env: {
        NODE_OPTIONS: [hook('kill-at.ts'), ...(clockOffsetMs === 0 ? [] : [hook('skewed-clock.ts')])].join(' '),
        CHANCERY_TEST_LOG_FACTOR: String(options.logFactor),
        CHANCERY_TEST_SIGNED: options.signedFile,
        CHANCERY_TEST_CLOCK_OFFSET_MS: String(clockOffsetMs),
        ...(place === undefined ? {} : { CHANCERY_TEST_KILL: place }),
      },
      onSpawn: (spawned) => {
        child = spawned
        if (plan?.kind === 'start' || plan?.kind === 'first-start')
          setTimeout(() => spawned.kill('SIGKILL'), plan.afterMs)
      },
    })
  } catch (error) {
    if (child?.signalCode === 'SIGKILL') return undefined
    throw error
  }
}
