import { createHmac, timingSafeEqual } from 'node:crypto'
import type { Clock } from '../lib/clock.ts'
import type { Random } from '../lib/random.ts'
import type { Metrics } from '../observe/metrics.ts'
import type { NonceStore } from '../store/store.ts'
import type { NonceService } from './nonce.ts'

/** Clients keep nonces in pools between renewals (CQ-N02). */
const LIFETIME_SECONDS = 3600
/** In chaos mode only: nonces that answered a `badNonce` and were not used yet; the oldest are forgotten. */
const MAX_SPARED = 10_000
const EXPIRY_BYTES = 4 // seconds since 1970, unsigned: good until 2106
const RANDOM_BYTES = 16
const MAC_BYTES = 16
const BODY_BYTES = EXPIRY_BYTES + RANDOM_BYTES
/** 36 bytes are 48 characters without a spare bit: one nonce has one spelling. */
const TEXT_LENGTH = ((BODY_BYTES + MAC_BYTES) * 4) / 3

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
 * Nonces that carry their own expiry and a MAC: giving one out stores nothing, and only one that we gave out, and that
 * is not expired, ever reaches the store (KF-B06).
 *
 * @throws {Error} when the key is not of 32 bytes
 */
export function createNonceService(options: NonceServiceOptions): NonceService {
  const { store, clock, random, key, metrics } = options
  if (key.length !== 32) throw new Error(`The nonce key has ${key.length} bytes, and needs 32`)

  const spared = new Set<string>()

  const spend: NonceService['spend'] = async (nonce) => {
    if (!/^[A-Za-z0-9_-]+$/.test(nonce)) return { outcome: 'malformed' }
    const known = open(nonce, key)
    if (known === undefined) return { outcome: 'bad', reason: 'unknown' }
    if (known.expiresAt <= clock.now()) return { outcome: 'bad', reason: 'expired' }
    if (!(await store.nonces.spend(known.id, known.expiresAt))) return { outcome: 'bad', reason: 'used' }
    const isSpared = spared.delete(nonce)
    return !isSpared && isUnlucky(options.chaosBadNoncePercent, random)
      ? { outcome: 'bad', reason: 'chaos' }
      : { outcome: 'good' }
  }

  return {
    issue() {
      const body = Buffer.allocUnsafe(BODY_BYTES)
      body.writeUInt32BE(Math.floor(clock.now().getTime() / 1000) + LIFETIME_SECONDS)
      random.bytes(RANDOM_BYTES).copy(body, EXPIRY_BYTES)
      return Buffer.concat([body, macOf(body, key)]).toString('base64url')
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

/** What a nonce says, or undefined when it is not one of ours. */
function open(nonce: string, key: Buffer): { id: string; expiresAt: Date } | undefined {
  if (nonce.length !== TEXT_LENGTH) return undefined
  const bytes = Buffer.from(nonce, 'base64url')
  const body = bytes.subarray(0, BODY_BYTES)
  if (!timingSafeEqual(bytes.subarray(BODY_BYTES), macOf(body, key))) return undefined
  return {
    id: body.subarray(EXPIRY_BYTES).toString('base64url'),
    expiresAt: new Date(body.readUInt32BE() * 1000),
  }
}

function macOf(body: Buffer, key: Buffer): Buffer {
  return createHmac('sha256', key).update(body).digest().subarray(0, MAC_BYTES)
}

function isUnlucky(percent: number, random: Random): boolean {
  return percent > 0 && random.bytes(4).readUInt32BE() < (percent / 100) * 0x1_0000_0000
}
