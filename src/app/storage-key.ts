import { createCipheriv, createDecipheriv, scrypt } from 'node:crypto'
import { promisify } from 'node:util'
import type { WrappedKeys } from '../acme/eab-key.ts'
import { decodeBase64url, encodeBase64url } from '../lib/base64url.ts'
import type { Random } from '../lib/random.ts'
import { readSecretFile } from '../signer/key-file.ts'
import type { Store } from '../store/store.ts'
import { createSecretFile, exists, type Home, HomeError } from './home.ts'

const IV_BYTES = 12
const TAG_BYTES = 16
const FORMAT = 'chancery-storage-key-1'
const FILE_CONTEXT = 'storage-key'
/** About 0.1 s and 64 MiB, once at start. */
const SCRYPT = { N: 1 << 16, r: 8, p: 1, maxmem: 1 << 27 }

const scryptOnPool = promisify((passphrase: string, salt: Buffer, done: (error: Error | null, key: Buffer) => void) =>
  scrypt(passphrase, salt, 32, SCRYPT, done),
)

/** Wraps with AES-256-GCM: IV, ciphertext and tag in one value, bound to its context as additional data. */
export function createWrappedKeys(key: Buffer, random: Random): WrappedKeys {
  if (key.length !== 32) throw new RangeError('a storage key has 32 bytes')
  return {
    wrap: (plain, context) => {
      const iv = random.bytes(IV_BYTES)
      const cipher = createCipheriv('aes-256-gcm', key, iv, { authTagLength: TAG_BYTES })
      cipher.setAAD(Buffer.from(context, 'utf8'))
      return Buffer.concat([iv, cipher.update(plain), cipher.final(), cipher.getAuthTag()])
    },
    unwrap: (wrapped, context) => {
      if (wrapped.length < IV_BYTES + TAG_BYTES) throw new Error('the wrapped value is too short')
      const decipher = createDecipheriv('aes-256-gcm', key, wrapped.subarray(0, IV_BYTES), { authTagLength: TAG_BYTES })
      decipher.setAAD(Buffer.from(context, 'utf8'))
      decipher.setAuthTag(wrapped.subarray(wrapped.length - TAG_BYTES))
      try {
        return Buffer.concat([
          decipher.update(wrapped.subarray(IV_BYTES, wrapped.length - TAG_BYTES)),
          decipher.final(),
        ])
      } catch (cause) {
        throw new Error('the wrapped value was made under another storage key or for another place, or was changed', {
          cause,
        })
      }
    },
  }
}

/** Whether the store holds something that only its present storage key can open. */
export function holdsWrapped(store: Pick<Store, 'retention'>): Promise<boolean> {
  return store.retention.holdsAny(['secrets', 'eab_keys'])
}

/**
 * Loads the state folder's storage key. An absent one is made with `create`, and is an error without. With a passphrase the file holds the key encrypted
 * under scrypt; a plain file is still read then, and `encrypted` tells of it.
 *
 * @throws {HomeError} naming the file
 */
export async function loadStorageKey(
  path: string,
  options: { random: Random; passphrase?: string | undefined; create: boolean },
): Promise<{ keys: WrappedKeys; encrypted: boolean }> {
  const { random, passphrase } = options
  const isMissing = !(await exists(path))
  if (isMissing && !options.create) {
    throw new HomeError(
      `${path} is missing, and the database holds secrets that only it can open; restore it from a backup`,
    )
  }
  if (isMissing) {
    // Where another process was first, its key is the one that is read below.
    await createSecretFile(path, await formatStorageKey(random.bytes(32), random, passphrase))
  }
  const [format, kind, ...parts] = (await readSecretFile(path)).trim().split(' ')
  const [first, second] = parts.map((part) => decodeBase64url(part))
  if (format === FORMAT && kind === 'plain' && first?.length === 32 && parts.length === 1) {
    return { keys: createWrappedKeys(first, random), encrypted: false }
  }
  if (format === FORMAT && kind === 'scrypt' && first?.length === 16 && second !== undefined && parts.length === 2) {
    if (passphrase === undefined)
      throw new HomeError(`${path} is encrypted; name the file of its passphrase in keys.passphraseFile`)
    try {
      const key = createWrappedKeys(await scryptOnPool(passphrase, first), random).unwrap(second, FILE_CONTEXT)
      return { keys: createWrappedKeys(key, random), encrypted: true }
    } catch (cause) {
      throw new HomeError(`${path}: the passphrase of keys.passphraseFile does not open it`, { cause })
    }
  }
  throw new HomeError(
    `${path} is not a storage key of this version; restore it from a backup, its secrets cannot be read without it`,
  )
}

const NONCE_KEY = 'nonce-key'
const NONCE_CONTEXT = `secret:${NONCE_KEY}`

/**
 * The key that all servers on this database sign their nonces with, made by the first of them. That it can be opened
 * shows that the state folder and the database belong together.
 *
 * @throws {HomeError} when they do not, before anything is issued
 */
export async function loadNonceKey(
  store: Pick<Store, 'secrets'>,
  keys: WrappedKeys,
  { random, home, database }: { random: Random; home: Pick<Home, 'path' | 'storageKey'>; database: string },
): Promise<Buffer> {
  const wrapped = await store.secrets.getOrCreate(NONCE_KEY, () => keys.wrap(random.bytes(32), NONCE_CONTEXT))
  try {
    return keys.unwrap(wrapped, NONCE_CONTEXT)
  } catch (cause) {
    throw new HomeError(
      `${home.storageKey} does not fit ${database}: another state folder was used with that database first. To add a ` +
        `replica, copy that folder over ${home.path}, as docs/postgresql.md says; otherwise name another database in store.url`,
      { cause },
    )
  }
}

async function formatStorageKey(key: Buffer, random: Random, passphrase: string | undefined): Promise<string> {
  if (passphrase === undefined) return `${FORMAT} plain ${encodeBase64url(key)}\n`
  const salt = random.bytes(16)
  const wrapped = createWrappedKeys(await scryptOnPool(passphrase, salt), random).wrap(key, FILE_CONTEXT)
  return `${FORMAT} scrypt ${encodeBase64url(salt)} ${encodeBase64url(wrapped)}\n`
}
