import { findStory } from '../explain/story.ts'
import { storyText } from '../explain/story-text.ts'
import { readSubject } from '../explain/subject.ts'
import { printable, printableJson } from '../lib/printable.ts'
import { type Command, CommandError, UsageError } from './command.ts'
import { withStoreOnly } from './store-access.ts'

export const command: Command = {
  details:
    'Takes the reference of a refusal (req_…), the id or URL of an order, or the serial of a certificate in hex, with or\n' +
    'without colons. Tells who asked, for what, what policy said and by which rules, which rules nearly allowed it, how\n' +
    'names were proved, and what became of it. Works while the server runs.',
  flags: { json: { help: 'print everything as one JSON object' } },
  words: ['reference|order|serial'],
  run: async (context) => {
    const [word = ''] = context.words
    const subject = readSubject(word)
    if (subject === undefined) {
      throw new UsageError(`${JSON.stringify(word)} is no reference (req_…), order (ord_… or its URL) or serial in hex`)
    }
    return withStoreOnly(context, async ({ store, config }) => {
      const story = await findStory(store, subject, context.clock.now())
      if (story === undefined) {
        throw new CommandError(
          `nothing is known of ${subject.id}. Decisions are kept for ${Math.floor(config.retention.decisions / 86_400)} ` +
            'days (retention.decisions); older ones may still be in the log under the same reference',
        )
      }
      if (context.on('json')) context.out(printableJson(story))
      else for (const line of storyText(story)) context.out(printable(line))
      return 0
    })
  },
}
