import { ipAddressBytes } from '../lib/ip-address.ts'

/**
 * Counts what each network address holds open. IPv6 counts by /64, because whoever has one address has them all
 * (KF-F06). Memory is bounded by what is open.
 */
export class AddressLimit {
  readonly #held = new Map<string, number>()
  readonly #limit: number

  constructor(limit: number) {
    this.#limit = limit
  }

  /** Takes a place for this address; returns what gives it back (once), or undefined when none is left. */
  take(address: string): (() => void) | undefined {
    const key = networkOf(address)
    const held = this.#held.get(key) ?? 0
    if (held >= this.#limit) return undefined
    this.#held.set(key, held + 1)
    let isGiven = false
    return () => {
      if (isGiven) return
      isGiven = true
      const left = (this.#held.get(key) ?? 1) - 1
      if (left === 0) this.#held.delete(key)
      else this.#held.set(key, left)
    }
  }

  get size(): number {
    return this.#held.size
  }
}

function networkOf(address: string): string {
  const bytes = ipAddressBytes(address.split('%', 1)[0] ?? '')
  if (bytes === undefined) return address
  const isMapped = bytes.length === 16 && bytes.readBigUInt64BE(0) === 0n && bytes.readUInt32BE(8) === 0xffff
  if (isMapped) return bytes.subarray(12).toString('hex')
  return bytes.subarray(0, 8).toString('hex')
}
