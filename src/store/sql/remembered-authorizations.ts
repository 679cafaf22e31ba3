import type { AuthorizationRecord } from '../records.ts'
import { type Database, type Sql, writeOrUndo } from './database.ts'
import type { RecordCache, Remembered } from './record-cache.ts'

export const authorizationKey = (id: string): string => `authorization ${id}`

export const challengeKey = (id: string): string => `challenge ${id}`

/** By which ids an authorization is asked for, and whose changes end what is remembered of it. */
export const REMEMBERED_AUTHORIZATION: Remembered<AuthorizationRecord> = {
  keysOf: ({ id, challenges }) => [authorizationKey(id), ...challenges.map((challenge) => challengeKey(challenge.id))],
  madeOf: ({ id }) => [id],
}

/** For a write to say of authorizations how it leaves them. */
export interface Authorizations {
  /** Whether this very record, which was found in memory, is still how the authorization stands. */
  isCurrent(authorization: AuthorizationRecord): boolean
  /** The authorization stands exactly so with all that was written up to here. */
  leave(authorization: AuthorizationRecord): void
}

/** A write, undone by `Undo`, after which whoever asks for the authorizations that it leaves need not read them. */
export async function writeAndRemember<T>(
  database: Database,
  cache: RecordCache,
  fn: (sql: Sql, authorizations: Authorizations) => Promise<T>,
): Promise<T> {
  let left: (() => void)[] = []
  const value = await writeOrUndo(database, async (sql) => {
    const memory = cache.write()
    const said: typeof left = []
    // Nothing of a try that is undone, or that the engine runs again.
    left = []
    const outcome = await fn(sql, {
      isCurrent: (authorization) => memory.isCurrent(authorizationKey(authorization.id), authorization),
      leave: (authorization) => {
        said.push(memory.leave(authorization, REMEMBERED_AUTHORIZATION))
      },
    })
    left = said
    return outcome
  })
  for (const remember of left) remember()
  return value
}
