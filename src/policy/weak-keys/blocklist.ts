import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { HashList } from './hash-list.ts'
import { PUBLISHED_KEYS } from './published-keys.ts'

/** Keys known to be bad, by hash. */
export interface KeyBlocklist {
  /** Why the key is listed, or undefined. */
  find(key: ListableKey): string | undefined
}

export interface ListableKey {
  /** SHA-256 of the SubjectPublicKeyInfo, hexadecimal. */
  readonly sha256: string
  readonly rsa?: { readonly modulus: bigint }
}

const SPKI_SHA256_BYTES = 32
const OPENSSL_BLACKLIST_BYTES = 10

/** The keys that Chancery itself knows. */
export const builtInBlocklist: KeyBlocklist = {
  find: ({ sha256 }) => {
    const known = PUBLISHED_KEYS.find((row) => row.spkiSha256 === sha256)
    return known && `its private half is published in ${known.source}`
  },
}

/**
 * The built-in list and those of the operator. Nothing else knows the keys of CVE-2008-0166 (Debian, 2008).
 *
 * @throws {Error} naming the file and line: a list that cannot be read in full stops the start
 */
export async function loadBlocklists(paths: readonly string[]): Promise<KeyBlocklist> {
  const lists = [builtInBlocklist]
  for (const path of paths) lists.push(parseBlocklist(await readFile(path, 'utf8'), path))
  return {
    find: (key) => {
      for (const list of lists) {
        const found = list.find(key)
        if (found !== undefined) return found
      }
      return undefined
    },
  }
}

/**
 * Reads a list: one lower-case hexadecimal hash a line, `#` begins a comment, empty lines are skipped. 64 digits are
 * the SHA-256 of a SubjectPublicKeyInfo; 20 digits are the form of Debian's openssl-blacklist package, see
 * `opensslBlacklistHash`.
 *
 * @param name of the file, for messages
 * @throws {Error} naming the line that is neither
 */
export function parseBlocklist(text: string, name: string): KeyBlocklist {
  const spki: string[] = []
  const openssl: string[] = []
  for (const [index, raw] of text.split('\n').entries()) {
    const line = (raw.split('#', 1)[0] ?? '').trim()
    if (line === '') continue
    if (/^[0-9a-f]{64}$/.test(line)) spki.push(line)
    else if (/^[0-9a-f]{20}$/.test(line)) openssl.push(line)
    else throw new Error(`${name}, line ${index + 1}: expected 64 or 20 lower-case hexadecimal digits, or a # comment`)
  }
  if (spki.length + openssl.length === 0) throw new Error(`${name}: the list of bad keys is empty`)
  const bySpki = new HashList(SPKI_SHA256_BYTES, spki)
  const byModulus = new HashList(OPENSSL_BLACKLIST_BYTES, openssl)
  return {
    find: ({ sha256, rsa }) => {
      const isListed =
        bySpki.has(Buffer.from(sha256, 'hex')) ||
        (rsa !== undefined && byModulus.size > 0 && byModulus.has(opensslBlacklistHash(rsa.modulus)))
      return isListed ? `it is listed in ${name}` : undefined
    },
  }
}

/**
 * The last 10 bytes of the SHA-1 of the line that `openssl rsa -noout -modulus` prints, as openssl-vulnkey(1) compares
 * them. SHA-1 serves as a name here, not as protection.
 */
export function opensslBlacklistHash(modulus: bigint): Buffer {
  const hex = modulus.toString(16).toUpperCase()
  const line = `Modulus=${hex.length % 2 === 0 ? hex : `0${hex}`}\n`
  return createHash('sha1').update(line).digest().subarray(-OPENSSL_BLACKLIST_BYTES)
}
