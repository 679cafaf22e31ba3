import { eabKeyContext } from '../acme/eab-key.ts'
import { renderKeyFile } from '../external-accounts/key-file.ts'
import { type Command, UsageError } from './command.ts'
import { formatOf } from './eab-import.ts'
import { FILTER_FLAGS, readFilter } from './eab-list.ts'
import { writeSecretFile } from './secret-file.ts'
import { withStore } from './store-access.ts'

export const command: Command = {
  details:
    'Keys that were not revoked, in a form that `eab import` reads. In CSV a cell that a spreadsheet would take for a ' +
    'formula has a quote in front, which `eab import` takes off.',
  flags: {
    ...FILTER_FLAGS,
    out: { value: 'FILE', help: 'a new file, which only you can read (default: standard output)' },
    format: { value: 'csv|json', help: 'the form (default: by the name of the file, else csv)' },
    'with-secrets': { help: 'the MAC keys too; only to a file' },
  },
  run: (context) =>
    withStore(context, async ({ store, wrappedKeys }) => {
      const out = context.text('out')
      const format = formatOf(context.text('format') ?? out ?? 'csv')
      const withSecrets = context.on('with-secrets')
      if (withSecrets && out === undefined) throw new UsageError('--with-secrets goes with --out')
      const fits = readFilter(context)
      const keys = (await store.eabKeys.list()).filter((key) => key.revokedAt === undefined && fits(key))
      const text = renderKeyFile(
        keys.map((key) =>
          withSecrets && key.wrappedMacKey.length > 0
            ? { key, macKey: wrappedKeys.unwrap(key.wrappedMacKey, eabKeyContext(key.id)) }
            : { key },
        ),
        format,
      )
      if (out === undefined) {
        context.out(text.replace(/\r?\n$/, ''))
        return 0
      }
      if (withSecrets) {
        const now = context.clock.now()
        await store.audit.append([
          { at: now, event: 'eab-key.exported', data: { keyIds: keys.map(({ id }) => id), by: 'cli' } },
        ])
      }
      const path = context.path(out)
      await writeSecretFile(path, text)
      context.out(`${keys.length} keys are in ${path}.`)
      return 0
    }),
}
