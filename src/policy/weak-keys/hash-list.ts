/** A set of equally long hashes as one sorted block of bytes: a million of them take 10 to 32 MB, not 100. */
export class HashList {
  readonly #width: number
  readonly #sorted: Buffer
  readonly size: number

  /** @param hashes hexadecimal, each of `width` bytes; repetitions do no harm */
  constructor(width: number, hashes: readonly string[]) {
    this.#width = width
    this.#sorted = Buffer.from([...hashes].sort().join(''), 'hex')
    this.size = hashes.length
  }

  /** @param hash `width` bytes; another length is never found */
  has(hash: Uint8Array): boolean {
    if (hash.length !== this.#width) return false
    let low = 0
    let high = this.size
    while (low < high) {
      const middle = (low + high) >>> 1
      const at = middle * this.#width
      const order = this.#sorted.compare(hash, 0, hash.length, at, at + this.#width)
      if (order === 0) return true
      if (order < 0) low = middle + 1
      else high = middle
    }
    return false
  }
}
