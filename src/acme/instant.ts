const RFC_3339 = /^(\d{4})-(\d{2})-(\d{2})[Tt](\d{2}):(\d{2}):(\d{2})(?:\.\d{1,9})?(?:[Zz]|([+-])(\d{2}):(\d{2}))$/

/**
 * Reads an RFC 3339 date-time strictly: real calendar days only, no leap second, an offset always. Fractions of a
 * second are dropped, because certificates hold whole seconds.
 *
 * @returns undefined when the text is not one
 */
export function parseInstant(text: string): Date | undefined {
  const match = RFC_3339.exec(text)
  if (match === null) return undefined
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ]
  const offsetHour = Number(match[8] ?? 0)
  const offsetMinute = Number(match[9] ?? 0)
  if (hour > 23 || minute > 59 || second > 59 || offsetHour > 23 || offsetMinute > 59) return undefined
  const local = new Date(Date.UTC(year, month - 1, day, hour, minute, second))
  // Date.UTC rolls 31 April over into May, and takes the years 0 to 99 for 1900 to 1999.
  if (local.getUTCFullYear() !== year || local.getUTCMonth() !== month - 1 || local.getUTCDate() !== day)
    return undefined
  const offset = (offsetHour * 60 + offsetMinute) * 60_000
  const instant = new Date(local.getTime() - (match[7] === '-' ? -offset : offset))
  const inRange = instant.getUTCFullYear() >= 1 && instant.getUTCFullYear() <= 9999
  return inRange ? instant : undefined
}
