import { DerError } from './der-error.ts'
import { TAG } from './tags.ts'

/**
 * Certificate and CRL times (RFC 5280 §4.1.2.5): UTCTime through 2049, GeneralizedTime from 2050, always with
 * seconds, always `Z`, never a fraction.
 *
 * @throws {RangeError} on a fraction of a second, or a year that neither form can hold
 */
export function encodeTime(at: Date): { tag: number; text: string } {
  const ms = at.getTime()
  if (!Number.isSafeInteger(ms) || ms % 1000 !== 0) throw new RangeError('certificate times are whole seconds')
  const year = at.getUTCFullYear()
  if (year < 1950 || year > 9999) throw new RangeError(`the year ${year} cannot be written in a certificate`)
  const rest = `${two(at.getUTCMonth() + 1)}${two(at.getUTCDate())}${two(at.getUTCHours())}${two(at.getUTCMinutes())}${two(at.getUTCSeconds())}Z`
  return year < 2050
    ? { tag: TAG.utcTime, text: two(year % 100) + rest }
    : { tag: TAG.generalizedTime, text: year + rest }
}

/** Two digits. `toISOString` would do, but takes several times as long, and a CRL has a time in every entry. */
function two(number: number): string {
  return number < 10 ? `0${number}` : `${number}`
}

/** @throws {DerError} on any other form than `encodeTime` writes, and on dates that are not in the calendar */
export function decodeTime(tag: number, content: Buffer): Date {
  const yearDigits = tag === TAG.utcTime ? 2 : 4
  const text = content.toString('latin1')
  if (text.length !== yearDigits + 11 || !/^[0-9]+Z$/.test(text)) {
    throw new DerError('time is not of the form YYMMDDHHMMSSZ or YYYYMMDDHHMMSSZ')
  }
  const digits = (from: number, count: number): number => Number(text.slice(from, from + count))
  let year = digits(0, yearDigits)
  if (tag === TAG.utcTime) year += year < 50 ? 2000 : 1900
  else if (year < 2050) throw new DerError('a date before 2050 must be a UTCTime')
  const [month, day, hour, minute, second] = [0, 2, 4, 6, 8].map((at) => digits(yearDigits + at, 2)) as [
    number,
    number,
    number,
    number,
    number,
  ]
  const at = new Date(Date.UTC(year, month - 1, day, hour, minute, second))
  const exists = at.getUTCMonth() === month - 1 && at.getUTCDate() === day && hour < 24 && minute < 60 && second < 60
  if (!exists) throw new DerError(`time is not in the calendar: ${text}`)
  return at
}
