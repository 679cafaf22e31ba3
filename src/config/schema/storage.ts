import { z } from 'zod'
import { duration } from './values.ts'

/** The database. */
export const store = z
  .strictObject({
    url: z
      .string()
      .regex(/^(sqlite:.+|postgres(ql)?:\/\/.+)/, 'must be sqlite:PATH or postgres://user@host:port/database')
      .optional()
      .describe(
        '`sqlite:PATH`, relative to the state folder, or `postgres://user@host:port/database`; default: `sqlite:chancery.db`; see `docs/postgresql.md`',
      ),
    postgres: z
      .strictObject({
        poolSize: z.number().int().min(2).max(500).default(10).describe('connections of one server process'),
        connectTimeout: duration.default(5).describe('for a new connection'),
        acquireTimeout: duration
          .default(5)
          .describe('how long a request waits for a free connection before it is answered 503'),
        statementTimeout: duration.default(10).describe('for one statement, and for a transaction that stands still'),
        lockTimeout: duration.default(5).describe('how long a statement waits for a row that another one holds'),
        pooler: z
          .boolean()
          .default(false)
          .describe('`true` behind a pooler in transaction mode: time limits are then set in each transaction'),
        prepare: z
          .boolean()
          .optional()
          .describe(
            'keep statements prepared by name; default: yes, and no where `pooler` is true; PgBouncer can from 1.21 on',
          ),
        passwordFile: z
          .string()
          .optional()
          .describe(
            'file, relative to the state folder and for its owner alone, whose first line is the password; read anew for each connection',
          ),
        caFile: z
          .string()
          .optional()
          .describe('PEM of the CAs that may vouch for the server; default: those that Node.js knows'),
        certFile: z.string().optional().describe('PEM of our own certificate, where the server asks for one'),
        keyFile: z.string().optional().describe('its private key, PEM, for its owner alone'),
      })
      .prefault({}),
  })
  .prefault({})

/** The log of certificates beside it. */
export const issuanceLog = z
  .strictObject({
    enabled: z
      .boolean()
      .default(true)
      .describe(
        "keep the certificates' own log beside the database, with which a restore can say what the backup lacks; see `docs/backup.md`",
      ),
    path: z
      .string()
      .min(1)
      .default('issued')
      .describe('folder of the log, relative to the state folder; best on another disk or host than the database'),
    delay: duration.default(1).describe('longest time from a commit to its being in the log'),
    keep: duration
      .default(35 * 86_400)
      .describe(
        'how long a file of the log is kept after everything in it has expired; longer than any backup that may be restored',
      ),
  })
  .prefault({})

/** Copies that the server makes by itself. */
export const backup = z
  .strictObject({
    every: duration.optional().describe('make a backup so often while the server runs; default: never by itself'),
    directory: z
      .string()
      .min(1)
      .default('backups')
      .describe('where backups that the server makes go, relative to the state folder; best on another disk or host'),
    keep: z.number().int().min(1).max(10_000).default(14).describe('how many of these are kept'),
    withKeys: z.boolean().default(true).describe('whether they hold the online keys too, as these lie in `keys/`'),
  })
  .prefault({})

/** How online keys are stored. */
export const keys = z
  .strictObject({
    passphraseFile: z
      .string()
      .optional()
      .describe(
        'file, relative to the state folder, whose first line encrypts the online keys that are made from then on; default: they are stored plain, for their owner alone',
      ),
  })
  .prefault({})
