import { type NonceStore, StoreError } from '../store.ts'
import type { Transactions } from './transactions.ts'

/**
 * How much longer than it is good a nonce is remembered: a server whose clock is behind accepts what others take for
 * expired, and must still find it spent.
 */
export const REMEMBERED_BEYOND_MS = 300_000

/** Most nonces in one statement. */
const MAX_BATCH = 500
/** Beyond this many waiting, the database stands still, and the next is refused. */
const MAX_WAITING = 10_000
/** Statements under way at once; what arrives meanwhile waits and goes together. */
const MAX_RUNNING = 2

// Both lists are one parameter each, so that one prepared statement does for every length.
const SPEND = `
  INSERT INTO nonces (id, expires_at)
  SELECT spent.id, spent.expires_at FROM unnest(CAST(? AS TEXT[]), CAST(? AS BIGINT[])) AS spent (id, expires_at)
  ON CONFLICT (id) DO NOTHING
  RETURNING id`

interface Spend {
  readonly id: string
  readonly rememberedUntilMs: number
  readonly resolve: (first: boolean) => void
  readonly reject: (error: unknown) => void
}

/**
 * A spent nonce is a row, as on every engine: any replica may be shown any nonce, and none may accept it twice. Those
 * that arrive together share one statement, one round trip and one commit.
 */
export function createBatchedNonceStore(
  database: Pick<Transactions, 'single'>,
): NonceStore & { close(): Promise<void> } {
  const waiting: Spend[] = []
  let running = 0
  let closed = false
  const flushes = new Set<Promise<void>>()

  async function flush(): Promise<void> {
    running += 1
    try {
      // Whatever else this turn of the event loop brings goes along.
      await new Promise((resolve) => setImmediate(resolve))
      while (waiting.length > 0) await spendTogether(waiting.splice(0, MAX_BATCH))
    } finally {
      running -= 1
    }
  }

  async function spendTogether(batch: readonly Spend[]): Promise<void> {
    const firsts = new Map<string, Spend>()
    for (const spend of batch) {
      if (firsts.has(spend.id)) spend.resolve(false)
      else firsts.set(spend.id, spend)
    }
    // In one order at every replica, so that two batches with the same nonces never wait for each other in a circle.
    const ids = [...firsts.keys()].sort()
    const expiries = ids.map((id) => firsts.get(id)?.rememberedUntilMs ?? 0)
    try {
      const { rows } = await database.single(SPEND, [ids, expiries])
      const spent = new Set((rows as readonly { id: string }[]).map(({ id }) => id))
      for (const [id, spend] of firsts) spend.resolve(spent.has(id))
    } catch (error) {
      for (const spend of firsts.values()) spend.reject(error)
    }
  }

  return {
    spend: (id, expiresAt) =>
      new Promise((resolve, reject) => {
        if (closed) return reject(new StoreError('failed', 'the store was closed'))
        if (waiting.length >= MAX_WAITING)
          return reject(new StoreError('busy', 'too many nonces wait for the database, which is too slow'))
        waiting.push({ id, rememberedUntilMs: expiresAt.getTime() + REMEMBERED_BEYOND_MS, resolve, reject })
        if (running === MAX_RUNNING) return
        const flushing = flush().finally(() => flushes.delete(flushing))
        flushes.add(flushing)
      }),
    async close() {
      closed = true
      await Promise.all(flushes)
    },
  }
}
