import type { ExternalKeyFacts, Requester } from '../policy/decision.ts'
import type { AccountKey, AccountRecord } from '../store/records.ts'

/**
 * The account as policy knows it, with its external account key as that was when the account was read. Of a key that is
 * not there any more only the id is left, and no right.
 */
export function requesterOf(account: AccountRecord): Requester {
  const { id, directory, eabKeyId, externalKey } = account
  return {
    kind: 'account',
    directory,
    accountId: id,
    ...(eabKeyId && { externalKey: externalKey ? factsOf(externalKey) : { id: eabKeyId, attributes: {}, groups: [] } }),
  }
}

/** Rules know a key by the first of its lineage, so that a rotation changes nothing. */
function factsOf({ lineage, attributes, groups, scope }: AccountKey): ExternalKeyFacts {
  return { id: lineage, attributes, groups, ...(scope && { scope }) }
}
