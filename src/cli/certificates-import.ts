import { readFile } from 'node:fs/promises'
import { byId, issuerCertificates } from '../app/backup-files.ts'
import { openHome } from '../app/home.ts'
import { decodePem } from '../lib/pem.ts'
import { readForeignCertificate } from '../recovery/import-certificate.ts'
import type { IssuedCertificate } from '../store/recovery.ts'
import { type Command, CommandError, UsageError } from './command.ts'
import { refuseNoDatabase, withStore } from './store-access.ts'

const MAX_FILE_BYTES = 64 << 20

export const command: Command = {
  details:
    'For certificates that an issuing CA of this state folder signed and the database does not know, after a restore ' +
    'without a log. They can then be revoked with their own key, or by an account that proves their names. Works while the server runs.',
  flags: {
    from: { value: 'FILE', repeatable: true, help: 'PEM file of one certificate or many' },
    directory: { value: 'NAME', help: 'the ACME directory through which they may be revoked (default: default)' },
  },
  run: async (context) => {
    const files = context.list('from')
    if (files.length === 0) throw new UsageError('certificates import needs --from FILE')
    const directory = context.text('directory') ?? 'default'
    const { directories, database } = await context.config()
    await refuseNoDatabase(database)
    if (!Object.hasOwn(directories, directory))
      throw new UsageError(`there is no directory ${directory}; known: ${Object.keys(directories).join(', ')}`)
    const home = await openHome(context.homePath)
    const issuers = byId(await issuerCertificates(home))
    const found: IssuedCertificate[] = []
    for (const file of files) {
      try {
        const bytes = await readFile(context.path(file))
        if (bytes.length > MAX_FILE_BYTES) throw new Error(`it is larger than ${MAX_FILE_BYTES} bytes`)
        for (const { der } of decodePem(bytes.toString())) {
          const isCa = [...issuers.values()].some((issuer) => issuer.der.equals(der))
          if (!isCa) found.push(readForeignCertificate(der, { issuers, directory, now: context.clock.now() }))
        }
      } catch (cause) {
        throw new CommandError(`${file}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
      }
    }
    return withStore(context, async ({ store }) => {
      const now = context.clock.now()
      const outcomes = await store.recovery.importCertificates(found, ({ issuerId, serial }) => ({
        at: now,
        event: 'certificate.imported',
        serial,
        data: { issuerId, by: 'cli' },
      }))
      for (const [index, { serial }] of found.entries()) context.out(`${serial}  ${outcomes[index]}`)
      return outcomes.includes('conflicting') ? 1 : 0
    })
  },
}
