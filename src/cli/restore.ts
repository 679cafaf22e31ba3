import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { FOREIGN_CONFIGURATION } from '../app/backup-files.ts'
import { exists, RESTORE_READY } from '../app/home.ts'
import { finishRestore, type Restored, type RestoreOptions, restoreBackup, restoreInPlace } from '../app/restore.ts'
import { explainReport } from '../app/restore-report.ts'
import { decodePem } from '../lib/pem.ts'
import type { ParsedCertificate } from '../x509/certificate.ts'
import { parseCertList } from '../x509/crl-reader.ts'
import { verifySignature } from '../x509/signature.ts'
import { type Command, type CommandContext, CommandError, UsageError } from './command.ts'

export const command: Command = {
  details:
    'Afterwards every earlier nonce is void, CRL numbers go on far above all earlier ones, whatever was under way has ended, ' +
    'and what the log of issued certificates knows of the time after the backup is put back. Without that log, external ' +
    'account keys that were unused in the backup are revoked. See docs/backup.md.',
  flags: {
    from: { value: 'PATH', help: 'the folder that `chancery backup` made' },
    'in-place': { help: 'the database was put back already by other means; do everything else' },
    finish: { help: 'end a restore that was cut short' },
    replace: { help: 'move aside what stands in the state folder (never the root, nor the log)' },
    'issuance-log': {
      value: 'FOLDER',
      repeatable: true,
      help: 'the log of issued certificates (default: issuanceLog.path, if it is there)',
    },
    'last-crl': { value: 'FILE', repeatable: true, help: 'the newest CRL that anybody has; numbers go on above it' },
    'keep-external-account-keys': {
      help: 'without a log that covers the lost time: leave unused keys usable, although any may have been used before',
    },
  },
  run: async (context) => {
    const from = context.text('from')
    const modes = [from !== undefined, context.on('in-place'), context.on('finish')].filter(Boolean).length
    if (modes !== 1) throw new UsageError('restore needs one of --from PATH, --in-place and --finish')
    if (context.on('finish')) return finish(context)
    const logs = context.list('issuance-log').map((path) => context.path(path))
    const options: RestoreOptions = {
      homePath: context.homePath,
      readConfig: (file) => context.config(file),
      logs: logs.length === 0 ? undefined : logs,
      crlNumbers: (issuers) => numbersOf(context, issuers),
      keepEabKeys: context.on('keep-external-account-keys'),
      clock: context.clock,
      random: context.random,
    }
    const restored =
      from === undefined
        ? await restoreInPlace(options)
        : await restoreBackup(context.path(from), { ...options, replace: context.on('replace') })
    tell(context, restored)
    return 0
  },
}

async function finish(context: CommandContext): Promise<number> {
  const waiting = join(context.homePath, RESTORE_READY)
  let file: string | undefined
  for (const name of ['chancery.yaml', FOREIGN_CONFIGURATION])
    if (file === undefined && (await exists(join(waiting, name)))) file = join(waiting, name)
  if (!(await finishRestore(context.homePath, await context.config(file), context.clock)))
    throw new CommandError(`${context.homePath}: no restore waits to be finished`)
  context.out('The restore is finished. Its report is in the state folder, restore-report-*.json.')
  return 0
}

function tell(context: CommandContext, { report, reportFile, notIncluded, asideFolder }: Restored): void {
  context.out(`Restored: this is life ${report.epoch} of the database.`)
  for (const line of explainReport(report)) context.out(line)
  context.out(`Every serial, account and key: ${reportFile}`)
  if (asideFolder !== undefined) context.out(`What was here before: ${asideFolder}`)
  if (notIncluded.length > 0) context.out('The backup does not hold, and the start may need:')
  for (const thing of notIncluded) context.out(`  - ${thing}`)
  if (context.list('set').some((text) => /^store(\.url)?=/.test(text)))
    context.out(
      'The database was named by --set store.url. Write that into the configuration first: without it, the server would begin another database.',
    )
  context.out('Next: chancery check, then start the server, and make a new backup.')
}

/** A CRL counts only if one of our issuing CAs signed it; else anybody could use up the numbers. */
async function numbersOf(
  context: CommandContext,
  issuers: ReadonlyMap<string, ParsedCertificate>,
): Promise<Map<string, bigint>> {
  const numbers = new Map<string, bigint>()
  for (const file of context.list('last-crl')) {
    try {
      const bytes = await readFile(context.path(file))
      const der = bytes.toString('latin1', 0, 11) === '-----BEGIN ' ? decodePem(bytes.toString())[0]?.der : bytes
      const crl = parseCertList(der ?? bytes)
      const issuerId = crl.authorityKeyId.toString('hex')
      const issuer = issuers.get(issuerId)
      if (issuer === undefined || !verifySignature(crl, issuer.publicKey))
        throw new Error('it is not of an issuing CA of this state folder')
      if (crl.number > (numbers.get(issuerId) ?? -1n)) numbers.set(issuerId, crl.number)
    } catch (cause) {
      throw new CommandError(`--last-crl ${file}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
    }
  }
  return numbers
}
