import { type Identifier, identifierKey, isProvedByAccount } from '../lib/identifier.ts'
import { quote } from '../lib/quote.ts'
import type { Grant, Reason } from '../policy/decision.ts'
import type { AccountRecord } from '../store/records.ts'

const METHOD = 'account-binding'

/**
 * What speaks against names whose only proof is what the account is bound to: that it is bound to nothing, or that policy
 * wants them proved in another way.
 *
 * @param names all that policy was asked about, in that order
 * @param added those among them that the profile adds
 * @param grant what policy answered
 */
export function bindingFaults(
  names: readonly Identifier[],
  added: readonly Identifier[],
  account: Pick<AccountRecord, 'externalKey' | 'hasNameGrants'>,
  grant: Grant | undefined,
): Reason[] {
  const addedKeys = new Set(added.map(identifierKey))
  return names.flatMap((name, index): Reason[] => {
    if (!isProvedByAccount(name) && !addedKeys.has(identifierKey(name))) return []
    const because = (detail: string): Reason[] => [{ rule: METHOD, code: 'proof', name, detail }]
    // One that was asked for may have been granted; that is looked at when its authorization is made.
    const mayBeGranted = account.hasNameGrants === true && !addedKeys.has(identifierKey(name))
    if (mayBeGranted) return []
    if (account.externalKey === undefined)
      return because(`${quote(name.value)} is only for accounts that were made with an external account key`)
    const methods = grant?.methods[index]
    if (methods === undefined || methods.includes(METHOD)) return []
    return because(`${quote(name.value)} is to be proved by ${methods.join(' or ')}, so that no profile can add it`)
  })
}
