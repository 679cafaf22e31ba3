import type { DatabaseSync } from 'node:sqlite'
import type { Clock } from '../../lib/clock.ts'
import type { Random } from '../../lib/random.ts'
import type { Logger } from '../../observe/log.ts'
import { digest } from '../sql/encoding.ts'
import { decodeSpent, encodeSpent, GENERATION_BYTES, NonceLedger } from './nonce-ledger.ts'

const SELECT = 'SELECT generation, spent, spent_sha256 FROM nonce_ledger WHERE id = 1'

const TAKE = `
  INSERT INTO nonce_ledger (id, generation, spent, spent_sha256) VALUES (1, ?, NULL, NULL)
  ON CONFLICT (id) DO UPDATE SET generation = excluded.generation, spent = NULL, spent_sha256 = NULL`

const KEEP = `
  UPDATE nonce_ledger SET spent = ?, spent_sha256 = ? WHERE id = 1 AND generation = ? AND spent IS NULL`

/**
 * Takes the spent nonces out of the database, for the process that holds the server's lock. Before this returns it is
 * durable that they were taken. Whoever finds that they were taken and never put back, after a crash, begins a new
 * generation: every nonce given out before is then refused, spent or not (KF-B06). A backup of a running server is such
 * a database too (KF-E08).
 *
 * @throws what node:sqlite throws; nothing was taken then
 */
export function takeNonces(
  connection: DatabaseSync,
  { clock, random, log }: { readonly clock: Clock; readonly random: Random; readonly log: Logger | undefined },
): NonceLedger {
  connection.exec('BEGIN IMMEDIATE')
  try {
    const row = connection.prepare(SELECT).get()
    const kept = row && readKept(row)
    const generation = kept?.generation ?? random.bytes(GENERATION_BYTES)
    connection.prepare(TAKE).run(generation)
    connection.exec('COMMIT')
    if (row !== undefined && kept === undefined) {
      log?.warn('store.nonces-void', {
        advice: 'the last run did not end in good order, so clients that kept a nonce are asked to try again, once',
      })
    }
    return new NonceLedger(generation, { clock, ...(kept && { kept }) })
  } catch (error) {
    if (connection.isTransaction) connection.exec('ROLLBACK')
    throw error
  }
}

/**
 * Puts them back, so that nonces not spent are good after a restart (CQ-N02). Ends all spending first. When this throws,
 * the next start begins a new generation.
 */
export function keepNonces(connection: DatabaseSync, ledger: NonceLedger): void {
  const spent = encodeSpent(ledger.close())
  connection.prepare(KEEP).run(spent, digest(spent), ledger.generation)
}

/** What was put back, or undefined when it was not, or not wholly. */
function readKept(row: Record<string, unknown>) {
  const { generation, spent, spent_sha256: sha256 } = row
  if (!(generation instanceof Uint8Array) || generation.length !== GENERATION_BYTES) return undefined
  if (!(spent instanceof Uint8Array) || digest(spent) !== sha256) return undefined
  const kept = decodeSpent(spent)
  return kept && { generation: Buffer.from(generation), ...kept }
}
