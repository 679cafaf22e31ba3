import { verifyBackup } from '../app/verify-backup.ts'
import type { Command } from './command.ts'

export const command: Command = {
  details: 'Reads every byte: hashes, the database and each certificate in it, its schema, and that all is of one CA.',
  words: ['path'],
  run: async (context) => {
    const path = context.path(context.words[0] ?? '')
    const { createdAt, version, database, files } = await verifyBackup(path)
    context.out(`${path}: whole and unchanged`)
    context.out(`Made ${createdAt.toISOString()} by Chancery ${version}; ${files.length} files`)
    if (database !== undefined) {
      const { certificates = 0, accounts = 0 } = database.counts
      context.out(
        `Database: schema ${database.schema}, ${certificates} certificates, ${accounts} accounts, audit event ${database.newestEvent}`,
      )
    }
    return 0
  },
}
