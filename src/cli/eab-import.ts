import { readFile, stat } from 'node:fs/promises'
import type { KeyDefinition } from '../external-accounts/definition.ts'
import { type FileFormat, readKeyFile, renderKeyFile } from '../external-accounts/key-file.ts'
import { createdEvent } from '../external-accounts/lineage.ts'
import { makeSecret } from '../external-accounts/make-key.ts'
import type { EabKeyRecord } from '../store/records.ts'
import { StoreError } from '../store/store.ts'
import { type Command, CommandError, UsageError } from './command.ts'
import { writeSecretFile } from './secret-file.ts'
import { withStore } from './store-access.ts'

/** A file of twenty thousand keys with long attributes; nothing beyond is read. */
const MAX_BYTES = 64 << 20
const FAULTS_SHOWN = 100

export const command: Command = {
  details:
    'All of them or none: every fault is told with its line, and then nothing is made. A file of CSV has a header; ' +
    'columns are id, label, owner, directories, groups, scope, uses, expires, keepAccounts, macKey and attribute.NAME, ' +
    'all of them optional, lists with ";". A file of JSON has an array of objects of the same members. The ids and MAC ' +
    'keys are written to --out, which only you can read, and are shown nowhere.',
  words: ['file'],
  flags: {
    out: { value: 'FILE', help: 'a new .csv or .json file for ids and MAC keys; required' },
    format: { value: 'csv|json', help: 'what the file is (default: by its name)' },
    check: { help: 'only say what is wrong with the file' },
  },
  run: (context) =>
    withStore(context, async ({ config, store, wrappedKeys }) => {
      const [word = ''] = context.words
      const path = context.path(word)
      const out = context.text('out')
      const format = formatOf(context.text('format') ?? word)
      if (out === undefined && !context.on('check'))
        throw new UsageError('--out is needed: a new file for the MAC keys')
      const outFormat = out === undefined ? format : formatOf(out)
      const now = context.clock.now()
      const read = readKeyFile(await readBounded(path), format, { now, known: Object.keys(config.directories) })
      if ('faults' in read) {
        for (const { where, fault } of read.faults.slice(0, FAULTS_SHOWN)) context.err(`${where}: ${fault}`)
        if (read.faults.length > FAULTS_SHOWN) context.err(`and ${read.faults.length - FAULTS_SHOWN} more`)
        throw new CommandError(`${word} has ${read.faults.length} faults; nothing was made`)
      }
      const made = read.definitions.map((definition) => {
        const { macKey, ...secret } = makeSecret({ random: context.random, wrappedKeys }, now, definition)
        return { key: recordOf(definition, secret, now), macKey }
      })
      if (out === undefined || context.on('check')) {
        context.out(`${made.length} keys are as they should be; nothing was made.`)
        return 0
      }
      const outPath = context.path(out)
      // On disk first: a key whose secret nobody has would be good for nothing.
      const takeAway = await writeSecretFile(outPath, renderKeyFile(made, outFormat))
      const keys = made.map(({ key }) => key)
      const { taken } = await store.eabKeys.createAll(keys, keys.map(createdEvent)).catch(async (error: unknown) => {
        // A write that was cut off may have happened, and then the secrets are only here.
        if (error instanceof StoreError && error.code === 'busy')
          throw new CommandError(
            `whether the keys were made is not known (${error.message}); see \`chancery eab list\`. Their MAC keys are in ${outPath}`,
          )
        await takeAway()
        throw error
      })
      if (taken.length > 0) {
        await takeAway()
        throw new CommandError(`these ids are there already, and nothing was made: ${taken.slice(0, 10).join(', ')}`)
      }
      context.out(`${keys.length} keys are made; their ids and MAC keys are in ${outPath}.`)
      return 0
    }),
}

function recordOf(
  { id: _, macKey: __, directories = ['default'], ...definition }: KeyDefinition,
  secret: Pick<EabKeyRecord, 'id' | 'wrappedMacKey'>,
  now: Date,
): EabKeyRecord {
  return {
    ...definition,
    ...secret,
    directory: directories[0] ?? 'default',
    ...(directories.length > 1 && { directories }),
    createdAt: now,
  }
}

/** @throws {UsageError} */
export function formatOf(name: string): FileFormat {
  const end = name.split('.').at(-1)?.toLowerCase()
  if (end === 'csv' || end === 'json') return end
  throw new UsageError(`${name} is neither .csv nor .json; say which it is`)
}

async function readBounded(path: string): Promise<string> {
  try {
    if ((await stat(path)).size > MAX_BYTES)
      throw new CommandError(`${path} is larger than ${MAX_BYTES} bytes; split it`)
    return new TextDecoder('utf-8', { fatal: true }).decode(await readFile(path))
  } catch (error) {
    if (error instanceof CommandError) throw error
    if (error instanceof TypeError) throw new CommandError(`${path} is not UTF-8`)
    throw new CommandError(`${path} cannot be read: ${error instanceof Error ? error.message : 'unknown'}`)
  }
}
