import { createPrivateKey, createPublicKey, generateKeyPair, type KeyObject, sign } from 'node:crypto'
import { promisify } from 'node:util'
import { decodePem, encodePem } from '../lib/pem.ts'
import type { SignatureAlgorithmName } from '../x509/algorithms.ts'
import { SIGNATURE_ALGORITHMS } from '../x509/algorithms.ts'
import { encryptPrivateKey } from './encrypted-key.ts'
import type { SigningKey } from './signer.ts'
import { SignerError } from './signer.ts'
import { Turns } from './turns.ts'

/** Kinds of keys that Chancery makes for itself. */
export const KEY_KINDS = ['P-256', 'P-384', 'P-521', 'RSA-2048', 'RSA-3072', 'RSA-4096', 'Ed25519'] as const
export type KeyKind = (typeof KEY_KINDS)[number]

export interface GeneratedKey {
  readonly signingKey: SigningKey
  /** PKCS#8 PEM; `ENCRYPTED PRIVATE KEY` when a passphrase is given, and then about 0.2 s of work off the loop. */
  privatePem(passphrase?: string): Promise<string>
}

/** Up to this many bytes a P-256 or Ed25519 signature takes under 0.2 ms: cheaper here than a trip to the thread pool. */
const SIGN_INLINE_BYTES = 16_384
/** Of the four threads that files, DNS and slow signatures share. */
const THREADS = 2

const signOnPool = promisify(
  (
    hash: string | undefined,
    message: Uint8Array,
    key: KeyObject,
    done: (error: Error | null, signature: Buffer) => void,
  ) => sign(hash, message, key, done),
)
const generateKeyPairOnPool = promisify(generateKeyPair)

/** The key stays in a private field: it is in no log line, no JSON and no inspection of the object (KF-G07). */
class SoftwareKey implements SigningKey {
  readonly spkiDer: Buffer
  readonly algorithm: SignatureAlgorithmName
  readonly #key: KeyObject
  readonly #quick: boolean
  readonly #turns = new Turns(THREADS)

  constructor(key: KeyObject) {
    const { algorithm, quick } = suitability(key)
    this.#key = key
    this.#quick = quick
    this.algorithm = algorithm
    this.spkiDer = createPublicKey(key).export({ type: 'spki', format: 'der' })
  }

  async sign(message: Uint8Array): Promise<Buffer> {
    const { hash } = SIGNATURE_ALGORITHMS[this.algorithm]
    try {
      if (this.#quick && message.length <= SIGN_INLINE_BYTES) return sign(hash, message, this.#key)
      return await this.#turns.run(() => signOnPool(hash, message, this.#key))
    } catch (cause) {
      throw new SignerError('UNAVAILABLE', 'the software key could not sign', { cause })
    }
  }
}

/**
 * Reads a private key from PEM: PKCS#8, encrypted PKCS#8, SEC1 (`EC PRIVATE KEY`) or PKCS#1 (`RSA PRIVATE KEY`).
 * Exactly one key; the `EC PARAMETERS` block that OpenSSL writes before a SEC1 key is let pass.
 *
 * An encrypted key costs some 0.2 s of synchronous work: call this at start, not on a request path.
 *
 * @throws {SignerError} `KEY_UNREADABLE`; the message never quotes the file
 */
export function loadSoftwareKey(pem: string, options: { passphrase?: string | undefined } = {}): SigningKey {
  return new SoftwareKey(readPrivateKey(pem, options.passphrase))
}

/** Makes a new key. RSA generation takes seconds of CPU and so runs on the thread pool. */
export async function generateKey(kind: KeyKind): Promise<GeneratedKey> {
  const key = await generatePrivateKey(kind)
  return {
    signingKey: new SoftwareKey(key),
    privatePem: async (passphrase) => {
      const pkcs8 = key.export({ type: 'pkcs8', format: 'der' })
      if (passphrase === undefined) return encodePem('PRIVATE KEY', pkcs8)
      return encodePem('ENCRYPTED PRIVATE KEY', await encryptPrivateKey(pkcs8, passphrase))
    },
  }
}

async function generatePrivateKey(kind: KeyKind): Promise<KeyObject> {
  switch (kind) {
    case 'P-256':
    case 'P-384':
    case 'P-521':
      return (await generateKeyPairOnPool('ec', { namedCurve: kind })).privateKey
    case 'RSA-2048':
    case 'RSA-3072':
    case 'RSA-4096':
      return (await generateKeyPairOnPool('rsa', { modulusLength: Number(kind.slice(4)), publicExponent: 65_537 }))
        .privateKey
    case 'Ed25519':
      return (await generateKeyPairOnPool('ed25519', {})).privateKey
    default: {
      const unknown: never = kind
      throw new SignerError('KEY_UNREADABLE', `there is no key kind ${String(unknown)}`)
    }
  }
}

function readPrivateKey(pem: string, passphrase: string | undefined): KeyObject {
  if (pem.includes('Proc-Type:')) {
    throw new SignerError(
      'KEY_UNREADABLE',
      'the key uses the old OpenSSL encryption; convert it with `openssl pkcs8 -topk8`',
    )
  }
  const blocks = pemBlocks(pem).filter((block) => block.label !== 'EC PARAMETERS')
  const block = blocks[0]
  if (block === undefined || blocks.length !== 1) {
    throw new SignerError(
      'KEY_UNREADABLE',
      `expected exactly one private key in the PEM text, found ${blocks.length} blocks`,
    )
  }
  switch (block.label) {
    case 'PRIVATE KEY':
      return importKey(() => createPrivateKey({ key: block.der, format: 'der', type: 'pkcs8' }))
    case 'EC PRIVATE KEY':
      return importKey(() => createPrivateKey({ key: block.der, format: 'der', type: 'sec1' }))
    case 'RSA PRIVATE KEY':
      return importKey(() => createPrivateKey({ key: block.der, format: 'der', type: 'pkcs1' }))
    case 'ENCRYPTED PRIVATE KEY':
      if (passphrase === undefined) throw new SignerError('KEY_UNREADABLE', 'the key is encrypted; give its passphrase')
      return importKey(
        () => createPrivateKey({ key: block.der, format: 'der', type: 'pkcs8', passphrase }),
        'the passphrase is wrong or the key is damaged',
      )
    default:
      throw new SignerError(
        'KEY_UNREADABLE',
        `a private key was expected, the PEM block is a ${block.label.slice(0, 40)}`,
      )
  }
}

function pemBlocks(pem: string) {
  try {
    return decodePem(pem)
  } catch (cause) {
    throw new SignerError('KEY_UNREADABLE', 'the key is not strict PEM (RFC 7468)', { cause })
  }
}

function importKey(read: () => KeyObject, message = 'the private key cannot be decoded'): KeyObject {
  try {
    return read()
  } catch (cause) {
    throw new SignerError('KEY_UNREADABLE', message, { cause })
  }
}

/** The one signature algorithm of a key: the hash is as strong as the key (BR 7.1.3.2). */
function suitability(key: KeyObject): { algorithm: SignatureAlgorithmName; quick: boolean } {
  const details = key.asymmetricKeyDetails
  switch (key.asymmetricKeyType) {
    case 'ed25519':
      return { algorithm: 'Ed25519', quick: true }
    case 'rsa': {
      const bits = details?.modulusLength ?? 0
      if (bits < 2048 || bits > 4096)
        throw new SignerError('KEY_UNREADABLE', `an RSA key of ${bits} bits; 2048 to 4096 are supported`)
      if (details?.publicExponent !== 65_537n)
        throw new SignerError('KEY_UNREADABLE', 'an RSA key must have the exponent 65537')
      return { algorithm: 'sha256WithRSAEncryption', quick: false }
    }
    case 'ec':
      switch (details?.namedCurve) {
        case 'prime256v1':
          return { algorithm: 'ecdsa-with-SHA256', quick: true }
        case 'secp384r1':
          return { algorithm: 'ecdsa-with-SHA384', quick: false }
        case 'secp521r1':
          return { algorithm: 'ecdsa-with-SHA512', quick: false }
        default:
          throw new SignerError(
            'KEY_UNREADABLE',
            `the curve ${details?.namedCurve ?? '(explicit parameters)'} is not supported; use P-256, P-384 or P-521`,
          )
      }
    default:
      throw new SignerError('KEY_UNREADABLE', `keys of type ${key.asymmetricKeyType ?? 'unknown'} are not supported`)
  }
}
