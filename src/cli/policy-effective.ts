import type { ResolvedConfig } from '../config/read.ts'
import { requesterOf } from '../enrollment/requester.ts'
import { effectiveOf, grantsInForce } from '../explain/effective.ts'
import { effectiveText } from '../explain/effective-text.ts'
import { readPolicyInUse } from '../explain/policy-in-use.ts'
import { parseId } from '../lib/ids.ts'
import { printable, printableJson } from '../lib/printable.ts'
import type { AccountRecord } from '../store/records.ts'
import type { Store } from '../store/store.ts'
import { type Command, CommandError, UsageError } from './command.ts'
import { withStoreOnly } from './store-access.ts'

export const command: Command = {
  details:
    'Takes the id or URL of an account. Lists the rules that are for it now, with the names, profiles, keys, proofs and\n' +
    'limits of each, the rules that deny, and the names granted to it beforehand. Whether one request is allowed, `chancery policy try` says.',
  flags: {
    file: { value: 'FILE', help: 'ask this file of rules instead of the policy in the configuration' },
    json: { help: 'print it as one JSON object' },
  },
  words: ['account'],
  run: (context) =>
    withStoreOnly(context, async ({ config, store }) => {
      const now = context.clock.now()
      const account = await findAccount(store, config, context.words[0] ?? '')
      const file = context.text('file')
      const policy = await readPolicyInUse(config, { file: file && context.path(file), now })
      const grants = await grantsInForce(account, { store: store.nameGrants, now })
      const effective = effectiveOf(account, requesterOf(account), { config, policy, grants, now })
      if (context.on('json')) context.out(printableJson(effective))
      else for (const line of effectiveText(effective)) context.out(printable(line))
      return 0
    }),
}

/**
 * The account with this id, or of this URL.
 *
 * @throws {UsageError} when it is neither
 * @throws {CommandError} when there is none
 */
export async function findAccount(
  store: Pick<Store, 'accounts'>,
  config: Pick<ResolvedConfig, 'directories'>,
  word: string,
): Promise<AccountRecord> {
  const id = parseId('account', word.slice(word.lastIndexOf('/') + 1))
  if (id === undefined) throw new UsageError(`${JSON.stringify(word)} is no account (acc_… or its URL)`)
  for (const directory of Object.keys(config.directories)) {
    const account = await store.accounts.find(directory, id)
    if (account !== undefined) return account
  }
  throw new CommandError(`there is no account ${id} in any directory of the configuration`)
}
