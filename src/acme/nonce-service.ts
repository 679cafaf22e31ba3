import { createCipheriv, createDecipheriv, createHmac, timingSafeEqual } from 'node:crypto'
import type { Clock } from '../lib/clock.ts'
import type { Random } from '../lib/random.ts'
import type { Metrics } from '../observe/metrics.ts'
import type { NonceStore } from '../store/store.ts'
import type { NonceService } from './nonce.ts'

/** Clients keep nonces in pools between renewals (CQ-N02). */
const LIFETIME_SECONDS = 3600
/** In chaos mode only: nonces that answered a `badNonce` and were not used yet; the oldest are forgotten. */
const MAX_SPARED = 10_000
/** A call of the cipher costs as much for many blocks as for one. */
const MADE_AT_ONCE = 16
const EXPIRY_BYTES = 4 // seconds since 1970, unsigned: good until 2106
const ID_BYTES = 12
/** One block of AES. */
const BODY_BYTES = EXPIRY_BYTES + ID_BYTES
const TAG_BYTES = 14
/** 30 bytes are 40 characters without a spare bit: one nonce has one spelling. */
const TEXT_LENGTH = ((BODY_BYTES + TAG_BYTES) * 4) / 3

export interface NonceServiceOptions {
  readonly store: { readonly nonces: NonceStore }
  readonly clock: Clock
  readonly random: Random
  /** 32 bytes that every replica has and no restart changes. */
  readonly key: Buffer
  /** Share of good nonces to refuse, to test clients (KF-G12); they are spent all the same. */
  readonly chaosBadNoncePercent: number
  readonly metrics: Metrics
}

/**
 * Nonces that carry their own expiry and a tag: giving one out stores nothing, and only one that we gave out, and that
 * is not expired, ever reaches the store (KF-B06).
 *
 * @throws {Error} when the key is not of 32 bytes
 */
export function createNonceService(options: NonceServiceOptions): NonceService {
  const { store, clock, random, key, metrics } = options
  if (key.length !== 32) throw new Error(`The nonce key has ${key.length} bytes, and needs 32`)

  const seal = createSeal(key)
  const spared = new Set<string>()

  /** Some nonces for those who ask in the same second. */
  let ahead: { readonly expirySeconds: number; readonly nonces: string[] } = { expirySeconds: 0, nonces: [] }

  const makeAhead = (expirySeconds: number): string[] => {
    const expiresAt = new Date(expirySeconds * 1000)
    const bodies = Buffer.allocUnsafe(MADE_AT_ONCE * BODY_BYTES)
    for (let at = 0; at < bodies.length; at += BODY_BYTES) {
      bodies.writeUInt32BE(expirySeconds, at)
      const id = store.nonces.newId?.(expiresAt) ?? random.bytes(ID_BYTES)
      id.copy(bodies, at + EXPIRY_BYTES)
    }
    return seal.close(bodies)
  }

  const spend: NonceService['spend'] = async (nonce) => {
    if (!/^[A-Za-z0-9_-]+$/.test(nonce)) return { outcome: 'malformed' }
    const body = nonce.length === TEXT_LENGTH ? seal.open(Buffer.from(nonce, 'base64url')) : undefined
    if (body === undefined) return { outcome: 'bad', reason: 'unknown' }
    const expiresAtMs = body.readUInt32BE() * 1000
    if (expiresAtMs <= clock.now().getTime()) return { outcome: 'bad', reason: 'expired' }
    const id = body.toString('base64url', EXPIRY_BYTES)
    if (!(await store.nonces.spend(id, new Date(expiresAtMs)))) return { outcome: 'bad', reason: 'used' }
    const isChaos = options.chaosBadNoncePercent > 0 && !spared.delete(nonce)
    return isChaos && isUnlucky(options.chaosBadNoncePercent, random)
      ? { outcome: 'bad', reason: 'chaos' }
      : { outcome: 'good' }
  }

  return {
    issue() {
      const expirySeconds = Math.floor(clock.now().getTime() / 1000) + LIFETIME_SECONDS
      if (expirySeconds !== ahead.expirySeconds || ahead.nonces.length === 0)
        ahead = { expirySeconds, nonces: makeAhead(expirySeconds) }
      return ahead.nonces.pop() as string
    },
    spare(nonce) {
      if (options.chaosBadNoncePercent === 0) return
      const [oldest] = spared.size >= MAX_SPARED ? spared : []
      if (oldest !== undefined) spared.delete(oldest)
      spared.add(nonce)
    },
    async spend(nonce) {
      const result = await spend(nonce)
      metrics.count('chancery_nonces_total', { outcome: result.outcome === 'bad' ? result.reason : result.outcome })
      return result
    },
  }
}

/**
 * Hides and authenticates one block: AES-256 of the body under one key, and behind it AES-256 of that under another,
 * shortened to 112 bits. On single blocks that are never sealed twice, AES is encryption and MAC enough, at a quarter of
 * what HMAC costs here; a nonce is made and checked with every request. Hidden, because an id may be a running number.
 */
function createSeal(key: Buffer): { close(bodies: Buffer): string[]; open(sealed: Buffer): Buffer | undefined } {
  const keyFor = (use: string): Buffer => createHmac('sha256', key).update(`chancery nonce ${use}`).digest()
  // A block cipher without a mode has no state, so one serves for good.
  const encrypt = createCipheriv('aes-256-ecb', keyFor('body'), null).setAutoPadding(false)
  const decrypt = createDecipheriv('aes-256-ecb', keyFor('body'), null).setAutoPadding(false)
  const mac = createCipheriv('aes-256-ecb', keyFor('tag'), null).setAutoPadding(false)
  return {
    close(bodies) {
      const hidden = encrypt.update(bodies)
      const tags = mac.update(hidden)
      return Array.from({ length: bodies.length / BODY_BYTES }, (_, index) => {
        const at = index * BODY_BYTES
        const sealed = [hidden.subarray(at, at + BODY_BYTES), tags.subarray(at, at + TAG_BYTES)]
        return Buffer.concat(sealed).toString('base64url')
      })
    },
    open(sealed) {
      const hidden = sealed.subarray(0, BODY_BYTES)
      const tag = mac.update(hidden).subarray(0, TAG_BYTES)
      return timingSafeEqual(sealed.subarray(BODY_BYTES), tag) ? decrypt.update(hidden) : undefined
    },
  }
}

function isUnlucky(percent: number, random: Random): boolean {
  return random.bytes(4).readUInt32BE() < (percent / 100) * 0x1_0000_0000
}
