import type { Random } from './random.ts'

/** Each kind of id is a type of its own, so that an account id cannot stand where an order id goes. */
declare const kind: unique symbol
type Id<Kind extends string> = string & { readonly [kind]: Kind }

export type AccountId = Id<'account'>
export type OrderId = Id<'order'>
export type AuthorizationId = Id<'authorization'>
export type ChallengeId = Id<'challenge'>
export type EabKeyId = Id<'eab-key'>
export type NameGrantId = Id<'name-grant'>
export type RequestId = Id<'request'>

const PREFIX = {
  account: 'acc',
  order: 'ord',
  authorization: 'azr',
  challenge: 'chl',
  'eab-key': 'eab',
  'name-grant': 'grt',
  request: 'req',
} as const

interface IdOf {
  account: AccountId
  order: OrderId
  authorization: AuthorizationId
  challenge: ChallengeId
  'eab-key': EabKeyId
  'name-grant': NameGrantId
  request: RequestId
}

/** 32 bits of these go round in 13 years, which costs nothing: an id is unique by its random bits. */
const TICK_MS = 100

/**
 * Makes an id: a readable prefix, the tenth of a second, and 96 random bits (RFC 8555 §10.5, unguessable URLs), e.g.
 * `ord_qzkX…`. Always 4 + 22 characters of the base64url alphabet.
 *
 * Ids of one moment begin alike, so that what is stored together stands together: in an index of a million wholly
 * random ids, every new row changes a page of its own.
 */
export function newId<K extends keyof IdOf>(random: Random, of: K, now: Date): IdOf[K] {
  const bytes = random.bytes(16)
  bytes.writeUInt32BE(Math.floor(now.getTime() / TICK_MS) >>> 0)
  return `${PREFIX[of]}_${bytes.toString('base64url')}` as IdOf[K]
}

/** The id if `text` has the form of one, else undefined. Lets a hostile URL end as "not found" without a query. */
export function parseId<K extends keyof IdOf>(of: K, text: string): IdOf[K] | undefined {
  const prefix = PREFIX[of]
  if (text.length !== 26 || !text.startsWith(`${prefix}_`)) return undefined
  for (let i = 4; i < 26; i++) {
    const c = text.charCodeAt(i)
    const ok = (c >= 48 && c <= 57) || (c >= 65 && c <= 90) || (c >= 97 && c <= 122) || c === 45 || c === 95
    if (!ok) return undefined
  }
  return text as IdOf[K]
}
