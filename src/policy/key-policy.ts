import type { PolicyConfig } from '../config/schema.ts'
import type { KeyAlgorithmName } from '../x509/algorithms.ts'
import { faultOfKeyKind, type KeyRules } from './rules/key-kind.ts'
import { builtInBlocklist, type KeyBlocklist, loadBlocklists } from './weak-keys/blocklist.ts'
import { hasClosePrimes } from './weak-keys/close-primes.ts'
import { hasRocaFingerprint } from './weak-keys/roca.ts'
import { hasSmallFactor } from './weak-keys/small-factors.ts'

/** What of a public key is judged; a `SubjectPublicKey` has it. */
export interface CheckableKey {
  readonly algorithm: KeyAlgorithmName
  readonly bits: number
  /** SHA-256 of the SubjectPublicKeyInfo, hexadecimal. */
  readonly sha256: string
  /** Present for RSA. */
  readonly rsa?: { readonly modulus: bigint; readonly exponent: bigint }
}

/** `policies.<name>.keys`, with its lists of bad keys read. */
export type CertificateKeyRules = KeyRules & {
  readonly blocklistFiles?: readonly string[]
  /** What `blocklistFiles` hold, and the built-in list; absent: the built-in list alone. */
  readonly blocklist?: KeyBlocklist
}

/**
 * Reads the lists of bad keys that the configuration names, once, at the start.
 *
 * @throws {Error} naming the file and line that cannot be read
 */
export async function loadKeyRules(config: PolicyConfig['keys']): Promise<CertificateKeyRules> {
  return { ...config, blocklist: await loadBlocklists(config.blocklistFiles) }
}

const EXPONENT = 65_537n

/**
 * Everything that is wrong with a public key, as sentences for its owner (KF-B23, KF-C12); empty: it may be certified.
 * For keys of certificates and of accounts alike. That a point lies on its curve is known to whoever parsed the key.
 *
 * Size and exponent are judged first, and the arithmetic is done only for keys of fitting size: well under a
 * millisecond for 4096 bits. When the rules name lists that were not read, every key is refused.
 */
export function checkPublicKey(key: CheckableKey, rules: CertificateKeyRules): string[] {
  const kind = faultOfKeyKind(key, rules)
  if (kind !== undefined) return [kind]
  const faults = key.algorithm === 'RSA' ? faultsOfRsa(key.rsa) : []
  if (rules.blocklist === undefined && (rules.blocklistFiles ?? []).length > 0) {
    return [...faults, 'The configured lists of bad keys are not loaded, so no key can be accepted; tell the operator']
  }
  const listed = (rules.blocklist ?? builtInBlocklist).find(key)
  if (listed !== undefined) faults.push(`The key is known to be compromised: ${listed}; make a new one`)
  return faults
}

function faultsOfRsa(rsa: CheckableKey['rsa']): string[] {
  if (rsa === undefined) return ['The modulus and exponent of the RSA key are not known']
  const { modulus, exponent } = rsa
  if (exponent !== EXPONENT) return ['The public exponent of the RSA key is not 65537; make a key with that exponent']
  const faults: string[] = []
  if (hasSmallFactor(modulus)) faults.push('The RSA modulus has a prime factor below 752; make a new key')
  if (hasClosePrimes(modulus)) faults.push('The primes of the RSA key lie too close to each other; make a new key')
  if (hasRocaFingerprint(modulus)) {
    faults.push(
      'The RSA key was made by a faulty generator (CVE-2017-15361, ROCA); make it with other hardware or software',
    )
  }
  return faults
}
