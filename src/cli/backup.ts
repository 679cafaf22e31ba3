import { createBackup } from '../app/backup.ts'
import { openHome } from '../app/home.ts'
import { type Command, UsageError } from './command.ts'
import { refuseNoDatabase } from './store-access.ts'
import { chanceryVersion } from './version.ts'

export const command: Command = {
  details:
    'Works while the server runs and issues. The backup is a folder for its owner alone; with the passphrase of the online ' +
    'keys it suffices to go on. It never holds the root key. See docs/backup.md.',
  flags: {
    to: { value: 'PATH', help: 'an existing folder, in which the backup is named by the time; or the name to give it' },
    'without-keys': { help: 'leave out the online keys, which are then kept and restored by other means' },
  },
  run: async (context) => {
    const to = context.text('to')
    if (to === undefined) throw new UsageError('backup needs --to PATH')
    const config = await context.config()
    await refuseNoDatabase(config.database)
    const home = await openHome(context.homePath)
    const { path, manifest, manifestSha256, plainKeys } = await createBackup({
      home,
      config,
      to: context.path(to),
      withKeys: !context.on('without-keys'),
      version: await chanceryVersion(),
      clock: context.clock,
    })
    const { database, files, notIncluded } = manifest
    context.out(path)
    context.err(`Database: ${database?.bytes} bytes, ${database?.counts['certificates']} certificates, checked`)
    context.err(`Files:    ${files.map((file) => file.path).join(', ')}`)
    context.err(`SHA-256:  ${manifestSha256}   (of manifest.json, which holds those of everything else)`)
    context.err('Not in it, keep it elsewhere:')
    for (const thing of notIncluded) context.err(`  - ${thing}`)
    if (plainKeys.length > 0) {
      context.err(
        `WARNING: no passphrase protects ${plainKeys.join(', ')}. Whoever has this backup can issue certificates.`,
      )
      context.err(
        '         Keep it as the keys themselves, or use --without-keys, or encrypt them: keys.passphraseFile',
      )
    }
    return 0
  },
}
