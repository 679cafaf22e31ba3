import { createPublicKey, hash, type KeyObject } from 'node:crypto'
import { KEY_ALGORITHMS, type KeyAlgorithmName } from './algorithms.ts'
import { DerError } from './asn1/der-error.ts'
import { DerReader, isNegative } from './asn1/reader.ts'
import { TAG } from './asn1/tags.ts'
import { describePointFault } from './ec-point.ts'
import { describeEd25519Fault } from './ed25519-point.ts'

/** A public key whose shape has been checked; the cryptographic library has not seen it before `key` is read. */
export interface SubjectPublicKey {
  /** The whole SubjectPublicKeyInfo, to be copied into certificates as it is. */
  readonly der: Buffer
  readonly algorithm: KeyAlgorithmName
  /** Length of the RSA modulus, or of the curve's field: 256, 384, 521; 256 for Ed25519. */
  readonly bits: number
  /** SHA-256 of `der`, lower-case hex. */
  readonly sha256: string
  /** SHA-1 of the BIT STRING content, RFC 5280 §4.2.1.2 (1). */
  readonly keyId: Buffer
  readonly key: KeyObject
  /** Present for RSA. */
  readonly rsa?: RsaNumbers
}

export interface RsaNumbers {
  readonly modulus: bigint
  readonly exponent: bigint
}

const MAX_SPKI_BYTES = 4096
/** Below this OpenSSL does not work with a key at all; what is strong enough is the key policy's to say. */
const MIN_RSA_BITS = 512
/** Verifying with a longer modulus costs too much to do it for a stranger (KF-B23). */
const MAX_RSA_BITS = 8192
const MAX_RSA_EXPONENT_OCTETS = 4

const ALGORITHM_BY_DER: ReadonlyMap<string, KeyAlgorithmName> = new Map(
  (Object.keys(KEY_ALGORITHMS) as KeyAlgorithmName[]).map((name) => [
    Buffer.from(KEY_ALGORITHMS[name].spkiAlgorithmHex, 'hex').toString('latin1'),
    name,
  ]),
)

const FIELD_BITS = { 'P-256': 256, 'P-384': 384, 'P-521': 521, Ed25519: 256 } as const

/**
 * Reads a SubjectPublicKeyInfo in one of the encodings of `KEY_ALGORITHMS` (BR 7.1.3.1), and nothing else: explicit
 * EC parameters and compressed points are refused. An EC point is checked to lie on its curve, an RSA key to have
 * an odd modulus of 512 to 8192 bits and an odd exponent of 3 up to 32 bits. All of that is cheap (KF-B23).
 *
 * @throws {DerError} with a reason that may be shown to who sent the key
 */
export function parseSubjectPublicKey(der: Uint8Array): SubjectPublicKey {
  const outer = new DerReader(der, { maxBytes: MAX_SPKI_BYTES })
  const spki = outer.sequence()
  outer.end()
  const algorithm = ALGORITHM_BY_DER.get(spki.rawElement(TAG.sequence).toString('latin1'))
  if (algorithm === undefined) {
    throw new DerError('the public key is not RSA, EC on a named curve P-256, P-384 or P-521, or Ed25519')
  }
  const content = spki.octetAlignedBitString()
  spki.end()
  const bytes = Buffer.from(der.buffer, der.byteOffset, der.byteLength)
  if (algorithm === 'RSA') {
    const { bits, numbers } = readRsaKey(content)
    return new CheckedKey(bytes, algorithm, bits, content, numbers)
  }
  const fault = algorithm === 'Ed25519' ? describeEd25519Fault(content) : describePointFault(algorithm, content)
  if (fault !== undefined) throw new DerError(fault)
  return new CheckedKey(bytes, algorithm, FIELD_BITS[algorithm], content)
}

/** RSAPublicKey, RFC 8017 §A.1.1. */
function readRsaKey(content: Buffer): { bits: number; numbers: RsaNumbers } {
  const outer = new DerReader(content)
  const key = outer.sequence()
  outer.end()
  const modulus = key.integer()
  const exponent = key.integer()
  key.end()
  if (isNegative(modulus) || isNegative(exponent)) throw new DerError('an RSA number is negative')
  const leadingZero = modulus[0] === 0 ? 1 : 0
  const zeroBitsOfTop = Math.clz32(modulus[leadingZero] ?? 0) - 24
  const bits = (modulus.length - leadingZero) * 8 - zeroBitsOfTop
  if (bits > MAX_RSA_BITS) throw new DerError(`the RSA modulus has more than ${MAX_RSA_BITS} bits`)
  if (bits < MIN_RSA_BITS) throw new DerError(`the RSA modulus has fewer than ${MIN_RSA_BITS} bits`)
  if (exponent.length - (exponent[0] === 0 ? 1 : 0) > MAX_RSA_EXPONENT_OCTETS) {
    throw new DerError('the RSA exponent has more than 32 bits')
  }
  const numbers = { modulus: toBigInt(modulus), exponent: toBigInt(exponent) }
  if (numbers.modulus % 2n === 0n) throw new DerError('the RSA modulus is even')
  if (numbers.exponent < 3n || numbers.exponent % 2n === 0n)
    throw new DerError('the RSA exponent must be odd and at least 3')
  return { bits, numbers }
}

function toBigInt(content: Buffer): bigint {
  return BigInt(`0x${content.toString('hex')}`)
}

/** Digests and the key object are made when first asked for, and kept. */
class CheckedKey implements SubjectPublicKey {
  readonly der: Buffer
  readonly algorithm: KeyAlgorithmName
  readonly bits: number
  declare readonly rsa?: RsaNumbers
  readonly #content: Buffer
  #sha256: string | undefined
  #keyId: Buffer | undefined
  #key: KeyObject | undefined

  constructor(der: Buffer, algorithm: KeyAlgorithmName, bits: number, content: Buffer, rsa?: RsaNumbers) {
    this.der = der
    this.algorithm = algorithm
    this.bits = bits
    this.#content = content
    if (rsa !== undefined) this.rsa = rsa
  }

  get sha256(): string {
    this.#sha256 ??= hash('sha256', this.der, 'hex')
    return this.#sha256
  }

  get keyId(): Buffer {
    this.#keyId ??= hash('sha1', this.#content, 'buffer')
    return this.#keyId
  }

  get key(): KeyObject {
    this.#key ??= createPublicKey({ key: this.der, format: 'der', type: 'spki' })
    return this.#key
  }
}
