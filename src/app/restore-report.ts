import type { RecoveryReport } from '../recovery/recover.ts'
import { replaceFile } from './home.ts'

export const reportName = (stamp: string): string => `restore-report-${stamp}.json`

/** The whole report, with every certificate, account and key by its id, for whoever has to follow them up. */
export async function writeReport(path: string, report: RecoveryReport): Promise<void> {
  await replaceFile(path, `${JSON.stringify(report, undefined, 2)}\n`, 0o600)
}

/** What a restore has to tell, in lines for people. */
export function explainReport(report: RecoveryReport): string[] {
  const { certificates, accounts, eabKeys, ended } = report
  const count = (outcome: string): number => certificates.filter((one) => one.outcome === outcome).length
  const back = count('added') + count('completed')
  const lines = report.logs.map(
    ({ folder, lastWrittenAt, tornBytes }) =>
      `Log ${folder}, last written ${lastWrittenAt.toISOString()}${tornBytes > 0 ? `; its last line was cut off by a crash (${tornBytes} bytes)` : ''}`,
  )
  switch (report.coverage) {
    case 'complete':
      lines.push(
        `Issued after the backup: ${certificates.length}, of which ${back} are known again and can be found and revoked`,
        `Revoked again: ${report.revocations}. Accounts: ${accounts.added} put back, ${accounts.changed} brought up to date`,
        `External account keys used or revoked since: ${eabKeys.ended}; made since and gone: ${eabKeys.lost.length}`,
        'What came after the end of the log, if anything did, nobody knows.',
      )
      break
    case 'part':
    case 'none':
      lines.push(
        report.coverage === 'none'
          ? 'There was no log of what was issued after the backup. NOT known, and not to be found out here:'
          : `The log does not cover all of the time after the backup (${back} certificates are known again). NOT known:`,
        '  - certificates issued since: they are valid, but cannot be revoked until they are brought in with',
        '    chancery certificates import --from FILE, from wherever copies are kept',
        '  - revocations since: ask for them again, or put a new issuing CA into service',
        '  - accounts made or closed, and account keys changed since: a key that was changed works again as the old one',
      )
      break
    default:
      report.coverage satisfies never
  }
  lines.push(
    eabKeys.voided
      ? `External account keys that were not used yet: ${ended.eabKeys} revoked, for any may have been used since; make new ones`
      : 'External account keys that were not used yet stay usable',
    `Ended: ${ended.orders} orders under way, ${ended.authorizations} authorizations (clients prove anew), ` +
      `${ended.validationJobs} validations, ${ended.reservations} reservations`,
    'Void: every nonce given out so far. CRL numbers go on far above every earlier one.',
  )
  for (const one of certificates.filter(({ outcome }) => outcome === 'conflicting' || outcome === 'foreign'))
    lines.push(
      `ATTENTION ${one.serial}: ${one.outcome === 'foreign' ? 'not signed by an issuing CA of this state folder' : 'the database has another certificate under this serial'}`,
    )
  for (const id of accounts.conflicting)
    lines.push(`ATTENTION account ${id}: its key is another account's; it was closed`)
  return lines
}
