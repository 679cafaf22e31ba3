import { eabKeyContext, type WrappedKeys } from '../acme/eab-key.ts'
import { newId } from '../lib/ids.ts'
import type { Random } from '../lib/random.ts'
import type { EabKeyRecord } from '../store/records.ts'

/** Any shell tool can pass it on, and it is as strong as HS256 needs (CQ-A09, RFC 2104 §3). */
const MAC_KEY_BYTES = 32

/** Makes the secret of a new key, and the id that it is wrapped for. */
export function makeSecret(
  deps: { readonly random: Random; readonly wrappedKeys: WrappedKeys },
  now: Date,
  given: { readonly id?: EabKeyRecord['id'] | undefined; readonly macKey?: Buffer | undefined } = {},
): Pick<EabKeyRecord, 'id' | 'wrappedMacKey'> & { readonly macKey: Buffer } {
  const id = given.id ?? newId(deps.random, 'eab-key', now)
  const macKey = given.macKey ?? deps.random.bytes(MAC_KEY_BYTES)
  return { id, macKey, wrappedMacKey: deps.wrappedKeys.wrap(macKey, eabKeyContext(id)) }
}
