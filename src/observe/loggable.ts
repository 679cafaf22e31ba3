import { KeyObject } from 'node:crypto'
import { isoInstant } from '../lib/instant.ts'
import { Secret, SHOWN } from './secret.ts'

const MAX_TEXT = 4096
const MAX_ITEMS = 200
const MAX_DEPTH = 6

/**
 * A value as it may stand in a log line: plain JSON, bounded in size and depth. Bytes are named by their length only,
 * since they may be keys; key objects, `Secret`s and PEM private keys are never written (KF-F20). Total: a getter that
 * throws becomes a note.
 */
export function loggable(value: unknown, depth = 0): unknown {
  switch (typeof value) {
    case 'string':
      return loggableText(value)
    case 'number':
      return Number.isFinite(value) ? value : String(value)
    case 'boolean':
    case 'undefined':
      return value
    case 'bigint':
      return value.toString()
    case 'symbol':
    case 'function':
      return `[${typeof value}]`
    case 'object':
      break
  }
  if (value === null) return null
  if (value instanceof Secret || value instanceof KeyObject) return SHOWN
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? '[invalid date]' : isoInstant(value)
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return `[${value.byteLength} bytes]`
  if (depth >= MAX_DEPTH) return '[deeper]'
  if (value instanceof Error) return loggableError(value, depth)
  if (Array.isArray(value) || value instanceof Set) return limited([...value].map((item) => loggable(item, depth + 1)))
  if (value instanceof Map) return loggableMap(value, depth)
  return loggableObject(value, depth)
}

function loggableText(text: string): string {
  if (text.includes('PRIVATE KEY-----')) return SHOWN
  return text.length <= MAX_TEXT ? text : `${text.slice(0, MAX_TEXT)}… [${text.length} characters]`
}

/** Message, code and stack, and the same of its cause. */
function loggableError(error: Error, depth: number): Record<string, unknown> {
  const shown: Record<string, unknown> = {}
  // Whatever was thrown may be in them: an error that cannot be logged would be heard of by nobody.
  for (const part of ['name', 'message', 'code', 'stack', 'cause']) {
    const value = read(error, part)
    if (value !== undefined) shown[part] = loggable(value, depth + 1)
  }
  if (error instanceof AggregateError) shown['errors'] = loggable(error.errors, depth + 1)
  return shown
}

function loggableObject(value: object, depth: number): Record<string, unknown> {
  const shown: Record<string, unknown> = {}
  for (const key of limited(Object.keys(value))) addMember(shown, key, loggable(read(value, key), depth + 1))
  return shown
}

function loggableMap(map: ReadonlyMap<unknown, unknown>, depth: number): Record<string, unknown> {
  const shown: Record<string, unknown> = {}
  for (const [key, value] of limited([...map])) addMember(shown, String(key), loggable(value, depth + 1))
  return shown
}

function addMember(object: Record<string, unknown>, key: string, value: unknown): void {
  const name = loggableText(key)
  if (name === '__proto__') defineMember(object, name, value)
  else object[name] = value
}

/** Assigning would set the prototype, and lose the member. */
function defineMember(object: object, name: string, value: unknown): void {
  Object.defineProperty(object, name, { value, enumerable: true, configurable: true, writable: true })
}

function limited<T>(items: T[]): T[] {
  return items.length <= MAX_ITEMS ? items : items.slice(0, MAX_ITEMS)
}

function read(value: object, key: string): unknown {
  try {
    return (value as Record<string, unknown>)[key]
  } catch {
    return '[unreadable]'
  }
}
