import { createCipheriv, pbkdf2 } from 'node:crypto'
import { promisify } from 'node:util'
import type { Random } from '../lib/random.ts'
import { systemRandom } from '../lib/random.ts'
import { integer, octetString, oid, raw, sequence } from '../x509/asn1/writer.ts'

/** Node's own PKCS#8 export stops at 2,048 iterations, which a laptop guesses through; so this is written here. */
export const PBKDF2_ITERATIONS = 600_000

const OID_PBES2 = '1.2.840.113549.1.5.13'
const OID_PBKDF2 = '1.2.840.113549.1.5.12'
const OID_HMAC_WITH_SHA256 = '1.2.840.113549.2.9'
const OID_AES_256_CBC = '2.16.840.1.101.3.4.1.42'
const NULL = Buffer.from('0500', 'hex')

const pbkdf2OnPool = promisify(pbkdf2)

/**
 * Encrypts a PKCS#8 PrivateKeyInfo as EncryptedPrivateKeyInfo (RFC 5958 §3) with PBES2: PBKDF2-HMAC-SHA256 and
 * AES-256-CBC (RFC 8018 §6.2, Appendix A.2), which OpenSSL and Node read. The derivation runs on the thread pool.
 *
 * @param passphrase taken as UTF-8
 * @throws {RangeError} when the passphrase is empty
 */
export async function encryptPrivateKey(
  pkcs8Der: Uint8Array,
  passphrase: string,
  random: Random = systemRandom,
): Promise<Buffer> {
  if (passphrase === '') throw new RangeError('the passphrase is empty; a key encrypted with it would be in the open')
  const salt = random.bytes(16)
  const iv = random.bytes(16)
  const key = await pbkdf2OnPool(passphrase, salt, PBKDF2_ITERATIONS, 32, 'sha256')
  const cipher = createCipheriv('aes-256-cbc', key, iv)
  const encrypted = Buffer.concat([cipher.update(pkcs8Der), cipher.final()])
  key.fill(0)
  const derivation = sequence(
    oid(OID_PBKDF2),
    sequence(octetString(salt), integer(BigInt(PBKDF2_ITERATIONS)), sequence(oid(OID_HMAC_WITH_SHA256), raw(NULL))),
  )
  const scheme = sequence(oid(OID_AES_256_CBC), octetString(iv))
  return sequence(sequence(oid(OID_PBES2), sequence(derivation, scheme)), octetString(encrypted))
}
