import { printable, printableJson } from '../lib/printable.ts'
import { type Command, CommandError } from './command.ts'
import { withStoreOnly } from './store-access.ts'

const MAX_LISTED = 1000
/** Enough of a version to tell it from all others of one installation. */
const LEAST_PREFIX = 6

export const command: Command = {
  details:
    'Without a version: every policy that was in force, files and those of the configuration, the newest first, with author and time. With one, or the\n' +
    'beginning of one: its text, as it was.',
  flags: { json: { help: 'print the list as JSON' } },
  words: ['[version]'],
  run: (context) =>
    withStoreOnly(context, async ({ store }) => {
      const versions = await store.policyVersions.list(MAX_LISTED)
      const [word] = context.words
      if (word === undefined) {
        if (context.on('json')) context.out(printableJson(versions))
        else if (versions.length === 0)
          context.err('No policy was in force yet; the first start of the server puts one into force.')
        else
          for (const { version, loadedAt, lastLoadedAt, author, size } of versions)
            context.out(
              printable(
                `${version}  first ${loadedAt.toISOString()}, last read ${lastLoadedAt.toISOString()}, ${size} characters, by ${author}`,
              ),
            )
        return 0
      }
      const fitting = word.length < LEAST_PREFIX ? [] : versions.filter(({ version }) => version.startsWith(word))
      const [only, other] = fitting
      if (only === undefined || other !== undefined) {
        throw new CommandError(
          `${fitting.length === 0 ? 'no' : 'more than one'} version begins with ${JSON.stringify(word)}; ` +
            `\`chancery policy versions\` lists them, and ${LEAST_PREFIX} digits are the least`,
        )
      }
      const found = await store.policyVersions.find(only.version)
      if (found === undefined) throw new CommandError(`the text of ${only.version} is not kept any more`)
      // As it was, to the byte: it can be used as a file again.
      context.out(found.text.endsWith('\n') ? found.text.slice(0, -1) : found.text)
      return 0
    }),
}
