/** Of instants to the minute: `2026-03-01T12:00:`. Almost all that are written lie within the same few minutes. */
const minutes = new Map<number, string>()
const MAX_MINUTES = 128

/**
 * As `toISOString`, and several times as fast, for lines of a log and answers that have one each.
 *
 * @throws {RangeError} when it is not an instant
 */
export function isoInstant(instant: Date): string {
  const ms = instant.getTime()
  const minute = Math.floor(ms / 60_000)
  const seconds = String(100_000 + ms - minute * 60_000)
  return `${minutes.get(minute) ?? remembered(instant, minute)}${seconds.slice(1, 3)}.${seconds.slice(3)}Z`
}

function remembered(instant: Date, minute: number): string {
  const text = instant.toISOString().slice(0, -'00.000Z'.length)
  if (minutes.size >= MAX_MINUTES) minutes.clear()
  minutes.set(minute, text)
  return text
}
