import { readFile } from 'node:fs/promises'
import { fingerprintOf } from '../app/fingerprint.ts'
import { exists, homeAt } from '../app/home.ts'
import { type Command, CommandError } from './command.ts'

export const command: Command = {
  flags: { pem: { help: 'print the certificate alone, to be put into a file' } },
  run: async (context) => {
    const home = homeAt(context.homePath)
    if (!(await exists(home.rootPem)))
      throw new CommandError(`there is no root in ${home.path} yet; the first start makes one, or \`chancery init\``)
    const pem = await readFile(home.rootPem, 'utf8')
    const { fingerprint, subject, notAfter } = fingerprintOf(pem)
    if (!context.on('pem')) {
      context.out(`Subject:             ${subject}`)
      context.out(`Good until:          ${notAfter.toISOString()}`)
      context.out(`SHA-256 fingerprint: ${fingerprint}`)
    }
    context.out(pem.trimEnd())
    return 0
  },
}
