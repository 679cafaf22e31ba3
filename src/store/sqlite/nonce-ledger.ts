import type { Clock } from '../../lib/clock.ts'
import { type NonceStore, StoreError } from '../store.ts'

/** Numbers per page: 4 KiB of bits. */
const PAGE_NUMBERS = 2 ** 15
/**
 * 134 million nonces that are not expired, 16 MiB if all are spent. Past that the oldest are void before their time:
 * what was not spent of them is refused, and none of them is ever let in again.
 */
const MAX_PAGES = 4096

const NUMBER_BYTES = 6
export const GENERATION_BYTES = 6
const ID_BYTES = NUMBER_BYTES + GENERATION_BYTES

/** Some consecutive numbers: when the last of their nonces expires, and one bit for each that was spent. */
interface NoncePage {
  endsAtMs: number
  bits: Uint8Array | undefined
}

/** What one process leaves to the next. */
export interface SpentNonces {
  /** No number from this one on was given out. */
  readonly next: number
  /** By number, the lowest first. */
  readonly pages: ReadonlyMap<number, NoncePage>
}

/**
 * The spent nonces of the one process that holds the database, in memory: a nonce is a number of a generation, and
 * spending it sets a bit. Nothing is written, neither for a nonce given out nor for one spent. `nonce-custody.ts` sees
 * to it that no other process ever takes the same generation for its own with fewer bits set.
 */
export class NonceLedger implements NonceStore {
  readonly generation: Buffer
  readonly #clock: Clock
  readonly #pages: Map<number, NoncePage>
  readonly #maxPages: number
  #next: number
  #current: NoncePage | undefined
  #closed = false

  /** @param kept what a process before this one left; absent in a new generation */
  constructor(
    generation: Buffer,
    options: {
      readonly clock: Clock
      readonly kept?: SpentNonces
      readonly maxPages?: number
    },
  ) {
    if (generation.length !== GENERATION_BYTES) throw new Error(`a generation has ${GENERATION_BYTES} bytes`)
    this.generation = generation
    this.#clock = options.clock
    this.#maxPages = options.maxPages ?? MAX_PAGES
    this.#pages = new Map(options.kept?.pages)
    // On a page of its own: one that expired, by whatever clock, must never come back with its bits unset.
    this.#next = Math.ceil((options.kept?.next ?? 0) / PAGE_NUMBERS) * PAGE_NUMBERS
    this.#forgetExpired()
  }

  newId(expiresAt: Date): Buffer {
    const number = this.#next
    const page = this.#pageToGiveFrom(number)
    page.endsAtMs = Math.max(page.endsAtMs, expiresAt.getTime())
    const id = Buffer.allocUnsafe(ID_BYTES)
    id.writeUIntBE(number, 0, NUMBER_BYTES)
    this.generation.copy(id, NUMBER_BYTES)
    this.#next = number + 1
    return id
  }

  async spend(id: string): Promise<boolean> {
    if (this.#closed) throw new StoreError('failed', 'the store was closed')
    const bytes = Buffer.from(id, 'base64url')
    if (bytes.length !== ID_BYTES || bytes.compare(this.generation, 0, GENERATION_BYTES, NUMBER_BYTES) !== 0)
      return false
    const number = bytes.readUIntBE(0, NUMBER_BYTES)
    // A page that is gone was expired, or had to make room: then nothing tells any more what was spent of it.
    const page = this.#pages.get(pageOf(number))
    if (page === undefined || number >= this.#next) return false
    page.bits ??= new Uint8Array(PAGE_NUMBERS / 8)
    const index = number % PAGE_NUMBERS
    const byte = page.bits[index >> 3] ?? 0
    const bit = 1 << (index & 7)
    if ((byte & bit) !== 0) return false
    page.bits[index >> 3] = byte | bit
    return true
  }

  /** Ends all spending, then tells what the next process needs to go on. */
  close(): SpentNonces {
    this.#closed = true
    this.#forgetExpired()
    return { next: this.#next, pages: this.#pages }
  }

  #pageToGiveFrom(number: number): NoncePage {
    if (this.#current !== undefined && number % PAGE_NUMBERS !== 0) return this.#current
    this.#forgetExpired()
    while (this.#pages.size >= this.#maxPages) this.#pages.delete(this.#pages.keys().next().value as number)
    this.#current = { endsAtMs: 0, bits: undefined }
    this.#pages.set(pageOf(number), this.#current)
    return this.#current
  }

  #forgetExpired(): void {
    const nowMs = this.#clock.now().getTime()
    for (const [number, page] of this.#pages) if (page.endsAtMs <= nowMs) this.#pages.delete(number)
  }
}

function pageOf(number: number): number {
  return Math.floor(number / PAGE_NUMBERS)
}

const NEXT_BYTES = 6
const PAGE_HEADER_BYTES = 12
const PAGE_BYTES = PAGE_HEADER_BYTES + PAGE_NUMBERS / 8

/** As bytes: the next number, then of each page its number and its end (6 octets each) and its bits. */
export function encodeSpent({ next, pages }: SpentNonces): Buffer {
  const bytes = Buffer.alloc(NEXT_BYTES + pages.size * PAGE_BYTES)
  bytes.writeUIntBE(next, 0, 6)
  let offset = NEXT_BYTES
  for (const [number, { endsAtMs, bits }] of pages) {
    bytes.writeUIntBE(number, offset, 6)
    bytes.writeUIntBE(endsAtMs, offset + 6, 6)
    if (bits !== undefined) bytes.set(bits, offset + PAGE_HEADER_BYTES)
    offset += PAGE_BYTES
  }
  return bytes
}

/** Undefined when the bytes have another form. */
export function decodeSpent(bytes: Uint8Array): SpentNonces | undefined {
  if (bytes.length < NEXT_BYTES || (bytes.length - NEXT_BYTES) % PAGE_BYTES !== 0) return undefined
  const source = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const pages = new Map<number, NoncePage>()
  for (let offset = NEXT_BYTES; offset < source.length; offset += PAGE_BYTES) {
    pages.set(source.readUIntBE(offset, 6), {
      endsAtMs: source.readUIntBE(offset + 6, 6),
      bits: Uint8Array.from(source.subarray(offset + PAGE_HEADER_BYTES, offset + PAGE_BYTES)),
    })
  }
  return { next: source.readUIntBE(0, 6), pages }
}
