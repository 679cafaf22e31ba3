import { resolve } from 'node:path'
import { refuseHalfRestored } from '../app/home.ts'
import { moveStore } from '../app/move-store.ts'
import { databaseName } from '../app/open-store.ts'
import { readConfig } from '../config/read.ts'
import { type Command, UsageError } from './command.ts'

const IS_URL = /^(sqlite|postgres|postgresql):/

export const command: Command = {
  details:
    'For growing from SQLite to PostgreSQL, and back. Stop every server first. Every row is copied, read back and compared, and ' +
    'the old database is marked, so that no server goes on from it. Accounts, proofs, orders and CRL numbers go on as they are; ' +
    'nonces are void. Cut short, it is run again. See docs/postgresql.md.',
  flags: {
    to: {
      value: 'URL|FILE',
      help: 'the new place as in store.url, with the settings of store.postgres; or a configuration that names it',
    },
  },
  run: async (context) => {
    const to = context.text('to')
    if (to === undefined) throw new UsageError('store move needs --to URL or --to FILE')
    await refuseHalfRestored(context.homePath)
    const from = (await context.config()).database
    const given = context.text('config')
    const target = await readConfig({
      home: context.homePath,
      file: IS_URL.test(to) ? given && context.path(given) : context.path(to),
      set: IS_URL.test(to) ? [...context.list('set'), `store.url=${JSON.stringify(to)}`] : [],
    })
    const { clock, random } = context
    const tables = await moveStore({ from, to: target.database, clock, random })
    const name = databaseName(target.database)
    if (tables === undefined) context.out(`The move to ${name} that was cut short is ended.`)
    else {
      for (const { table, rows, sha256 } of tables)
        if (rows > 0)
          context.out(`${table.padEnd(22)} ${String(rows).padStart(10)} rows  SHA-256 ${sha256.slice(0, 16)}`)
      context.out(`All of it is in ${name}, was read there again and found the same.`)
    }
    context.out(`No server starts on ${databaseName(from)} any more; keep it until you have a backup of the new one.`)
    context.out(
      `Next: write store.url into ${resolve(context.homePath, 'chancery.yaml')}, chancery check, then start the server.`,
    )
    return 0
  },
}
