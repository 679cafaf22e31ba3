import type { KeyObject } from 'node:crypto'
import { createHash, createPublicKey } from 'node:crypto'
import { decodeBase64url } from '../../lib/base64url.ts'
import type { Jwk } from '../../store/records.ts'
import { describeEd25519Fault } from '../../x509/ed25519-point.ts'
import type { JsonObject, JsonValue } from '../endpoint.ts'
import { AcmeError } from '../problem.ts'
import type { JwsAlgorithmName } from './algorithms.ts'
import { algorithmOf, JWS_ALGORITHMS } from './algorithms.ts'

/** A public key from a `jwk`, in its one canonical form, ready to verify with. */
export interface PublicJwk {
  /** Required members only, in RFC 7638 order. */
  readonly jwk: Jwk
  /** RFC 7638 with SHA-256, base64url. */
  readonly thumbprint: string
  readonly algorithm: JwsAlgorithmName
  readonly bits: number
  readonly key: KeyObject
  readonly spkiDer: Buffer
  readonly rsa?: { readonly modulus: bigint; readonly exponent: bigint }
}

/** Which RSA sizes are taken: those for accounts, or those that a certificate we issued may have (CQ-J07). */
export type JwkUse = 'account' | 'certificate'

const RSA_BITS = { account: { min: 2048, max: 4096 }, certificate: { min: 2048, max: 8192 } } as const
const RSA_EXPONENT = 65_537n
const PRIVATE_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k']
const COORDINATE_BYTES = { 'P-256': 32, 'P-384': 48, 'P-521': 66 } as const // RFC 7518 §6.2.1.2
const ED25519_BYTES = 32 // RFC 8032 §5.1.5

/**
 * Reads a public JWK (RFC 7517) strictly: one key, one text (CQ-J04). Sizes are looked at before any arithmetic, so
 * that a costly key costs nothing (KF-B23). Further public members are left out of the canonical form.
 *
 * @throws {AcmeError} `badPublicKey`, saying what is wrong with the key
 */
export function readJwk(value: JsonValue | undefined, use: JwkUse = 'account'): PublicJwk {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw bad('"jwk" is not a JSON object')
  const members = value as JsonObject
  for (const name of PRIVATE_MEMBERS) {
    if (name in members)
      throw bad(`"jwk" holds the private member "${name}"; send the public key, and replace this one`)
  }
  switch (members['kty']) {
    case 'EC':
      return readEc(members)
    case 'RSA':
      return readRsa(members, use)
    case 'OKP':
      return readOkp(members)
    default:
      throw bad('the key type ("kty") is not supported; use EC, RSA or OKP with Ed25519')
  }
}

/** Makes a key that was checked and stored before usable again. */
export function importJwk(jwk: Jwk): KeyObject {
  return createPublicKey({ key: { ...jwk }, format: 'jwk' })
}

/** RFC 7638 §3: the hash of the required members in lexicographic order, without white space. */
export function thumbprintOf(jwk: Jwk): string {
  return createHash('sha256').update(canonicalText(jwk)).digest('base64url')
}

function canonicalText(jwk: Jwk): string {
  switch (jwk.kty) {
    case 'EC':
      return JSON.stringify({ crv: jwk.crv, kty: jwk.kty, x: jwk.x, y: jwk.y })
    case 'RSA':
      return JSON.stringify({ e: jwk.e, kty: jwk.kty, n: jwk.n })
    case 'OKP':
      return JSON.stringify({ crv: jwk.crv, kty: jwk.kty, x: jwk.x })
    default:
      return jwk satisfies never
  }
}

function readEc(members: JsonObject): PublicJwk {
  const crv = members['crv']
  if (crv !== 'P-256' && crv !== 'P-384' && crv !== 'P-521') throw bad('the curve ("crv") is not P-256, P-384 or P-521')
  const length = COORDINATE_BYTES[crv]
  const jwk: Jwk = { kty: 'EC', crv, x: coordinate(members, 'x', length), y: coordinate(members, 'y', length) }
  return finished(jwk, { bits: JWS_ALGORITHMS[algorithmOf(jwk)].keyBits ?? 0 })
}

function readOkp(members: JsonObject): PublicJwk {
  if (members['crv'] !== 'Ed25519') throw bad('the curve ("crv") of an OKP key is not Ed25519')
  const jwk: Jwk = { kty: 'OKP', crv: 'Ed25519', x: coordinate(members, 'x', ED25519_BYTES) }
  const fault = describeEd25519Fault(Buffer.from(jwk.x, 'base64url'))
  if (fault !== undefined) throw bad(fault)
  return finished(jwk, { bits: 256 })
}

function readRsa(members: JsonObject, use: JwkUse): PublicJwk {
  const n = positive(members, 'n')
  const e = positive(members, 'e')
  const bits = n.length * 8 - (Math.clz32(n[0] ?? 0) - 24)
  const { min, max } = RSA_BITS[use]
  if (bits < min || bits > max) throw bad(`an RSA key has ${min} to ${max} bits; this one has ${bits}`)
  if (e.length > 4 || toBigInt(e) !== RSA_EXPONENT) throw bad('the RSA public exponent ("e") is not 65537')
  const modulus = toBigInt(n)
  if ((modulus & 1n) === 0n) throw bad('the RSA modulus ("n") is even')
  const jwk: Jwk = { kty: 'RSA', n: n.toString('base64url'), e: e.toString('base64url') }
  return finished(jwk, { bits, rsa: { modulus, exponent: RSA_EXPONENT } })
}

function finished(jwk: Jwk, facts: Pick<PublicJwk, 'bits' | 'rsa'>): PublicJwk {
  let key: KeyObject
  try {
    key = importJwk(jwk)
  } catch {
    throw bad('the key is not a point on its curve')
  }
  const spkiDer = key.export({ format: 'der', type: 'spki' })
  return { jwk, thumbprint: thumbprintOf(jwk), algorithm: algorithmOf(jwk), key, spkiDer, ...facts }
}

function coordinate(members: JsonObject, name: 'x' | 'y', length: number): string {
  const bytes = octets(members, name)
  if (bytes.length === length) return bytes.toString('base64url')
  const hint = bytes.length < length ? '; keep the leading zero octets (RFC 7518 §6.2.1.2)' : ''
  throw bad(`the coordinate "${name}" has ${bytes.length} octets, and needs ${length}${hint}`)
}

/** An unsigned integer without leading zero octets (RFC 7518 §6.3.1, Base64urlUInt). */
function positive(members: JsonObject, name: 'n' | 'e'): Buffer {
  const bytes = octets(members, name)
  if (bytes.length === 0 || bytes[0] === 0) throw bad(`"${name}" is empty or has leading zero octets`)
  return bytes
}

function octets(members: JsonObject, name: string): Buffer {
  const text = members[name]
  if (typeof text !== 'string') throw bad(`the member "${name}" is missing`)
  const bytes = decodeBase64url(text)
  if (bytes === undefined) throw bad(`"${name}" is not base64url without padding`)
  return bytes
}

function toBigInt(bytes: Buffer): bigint {
  return BigInt(`0x${bytes.toString('hex')}`)
}

function bad(reason: string): AcmeError {
  return new AcmeError('badPublicKey', `The public key is not acceptable: ${reason}`)
}
