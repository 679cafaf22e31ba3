import type { Cidr } from '../../lib/cidr.ts'

/** Many blocks, asked at once which of them hold an address: one look-up for each length of prefix there is. */
export class AddressIndex<T> {
  /** By length of the address in bytes and of the prefix in bits, then by the network in hex. */
  readonly #blocks = new Map<string, { readonly bytes: number; readonly bits: number; readonly at: Map<string, T[]> }>()

  add({ network, prefixBits }: Cidr, value: T): void {
    const key = `${network.length}/${prefixBits}`
    let block = this.#blocks.get(key)
    if (block === undefined) {
      block = { bytes: network.length, bits: prefixBits, at: new Map() }
      this.#blocks.set(key, block)
    }
    const networkKey = keyOf(network, prefixBits)
    const values = block.at.get(networkKey)
    if (values === undefined) block.at.set(networkKey, [value])
    else values.push(value)
  }

  /** @param address 4 or 16 bytes */
  find(address: Uint8Array, visit: (value: T) => void): void {
    for (const { bytes, bits, at } of this.#blocks.values()) {
      if (bytes !== address.length) continue
      for (const value of at.get(keyOf(address, bits)) ?? []) visit(value)
    }
  }
}

function keyOf(address: Uint8Array, bits: number): string {
  const masked = Buffer.from(address.subarray(0, Math.ceil(bits / 8)))
  const rest = bits % 8
  const last = masked.length - 1
  if (rest > 0) masked[last] = (masked[last] ?? 0) & (0xff << (8 - rest))
  return masked.toString('latin1')
}
