import { hash } from 'node:crypto'
import { StoreError } from '../store.ts'

export type Mutable<T> = { -readonly [K in keyof T]: T[K] }

/** An instant as it is stored; absent is NULL. */
export function toMs(instant: Date | undefined): number | null {
  return instant === undefined ? null : instant.getTime()
}

export function toDate(ms: number): Date {
  return new Date(ms)
}

export function toJson(value: unknown): string | null {
  return value === undefined ? null : JSON.stringify(value)
}

/** Where a stored value stands, for the operator who must repair it. */
export interface Place {
  readonly table: string
  readonly id: string
  readonly column: string
}

/** @throws {StoreError} `failed`, naming table, row and column, when the text is not JSON */
export function fromJson<T>(text: string, place: Place): T {
  try {
    return JSON.parse(text) as T
  } catch (cause) {
    throw new StoreError('failed', `${where(place)} is not readable JSON; restore that row from a backup`, { cause })
  }
}

/** @throws {StoreError} like `fromJson`, also when the value is no list */
export function listFromJson<T>(text: string, place: Place): T[] {
  const value = fromJson<T[]>(text, place)
  if (!Array.isArray(value)) {
    throw new StoreError('failed', `${where(place)} is not a list; restore that row from a backup`)
  }
  return value
}

/** The digest that is stored beside bytes which must never change unnoticed (KF-E12). */
export function digest(bytes: Uint8Array): string {
  return hash('sha256', bytes, 'hex')
}

/**
 * @returns the bytes as a Buffer of their own
 * @throws {StoreError} `failed` when they are not those that were stored
 */
export function intactBytes(bytes: Uint8Array, sha256: string, place: Place): Buffer {
  if (digest(bytes) !== sha256) {
    throw new StoreError('failed', `${where(place)} was changed after it was stored; restore that row from a backup`)
  }
  return toBuffer(bytes)
}

export function toBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

function where({ table, id, column }: Place): string {
  return `stored value ${table}.${column} of ${id}`
}
