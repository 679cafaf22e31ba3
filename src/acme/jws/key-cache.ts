import type { KeyObject } from 'node:crypto'
import type { Jwk } from '../../store/records.ts'
import { importJwk } from './jwk.ts'

/**
 * Imported account keys, because importing one costs more than verifying with it. The key of the cache is the hash of
 * the public key itself (RFC 7638), so an entry cannot be out of date. The least recently used goes first.
 */
export class KeyCache {
  readonly #keys = new Map<string, KeyObject>()
  readonly #capacity: number

  constructor(capacity = 10_000) {
    this.#capacity = capacity
  }

  /** @param thumbprint that of `jwk`; the caller has it from the same record */
  get(thumbprint: string, jwk: Jwk): KeyObject {
    const known = this.#keys.get(thumbprint)
    const key = known ?? importJwk(jwk)
    if (known !== undefined) this.#keys.delete(thumbprint)
    this.#keys.set(thumbprint, key)
    if (this.#keys.size > this.#capacity) this.#keys.delete(this.#keys.keys().next().value as string)
    return key
  }

  get size(): number {
    return this.#keys.size
  }
}
