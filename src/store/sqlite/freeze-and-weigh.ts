/** Of an object, and of each thing in it, beside what it refers to. */
const OBJECT_BYTES = 32
const PLACE_BYTES = 8
const TEXT_BYTES = 16
const DATE_BYTES = 64

/**
 * Makes what many will share read-only, in all its depth, so that whoever would change it gets a `TypeError` instead of
 * changing what others see. A date cannot be frozen; nothing sets one.
 *
 * @returns about how many bytes of memory it takes
 */
export function freezeAndWeigh(value: unknown): number {
  if (typeof value === 'string') return TEXT_BYTES + value.length
  if (typeof value !== 'object' || value === null) return PLACE_BYTES
  if (value instanceof Date) return DATE_BYTES
  if (ArrayBuffer.isView(value)) return OBJECT_BYTES + value.byteLength
  let bytes = OBJECT_BYTES
  if (Array.isArray(value)) {
    for (const one of value) bytes += PLACE_BYTES + freezeAndWeigh(one)
  } else {
    for (const name in value) bytes += PLACE_BYTES + freezeAndWeigh((value as Record<string, unknown>)[name])
  }
  Object.freeze(value)
  return bytes
}
