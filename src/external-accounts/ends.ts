import { z } from 'zod'
import { parseDuration } from '../config/duration.ts'
import { FOREVER_MS } from '../store/eab-key.ts'
import type { EabKeyRecord } from '../store/records.ts'

/** Long enough to set up a machine; a key that lies around longer is one that somebody finds. */
const DEFAULT_SECONDS = 7 * 86_400

const instant = z.iso.datetime({ offset: true })

/**
 * Reads an end: a length of time from now, an instant as in RFC 3339, or `never`.
 *
 * @param where what the text was given for, such as `--expires`
 * @throws {ConfigError}
 */
export function readEnd(text: string, now: Date, where: string): Date {
  if (text === 'never') return new Date(FOREVER_MS)
  const end = instant.safeParse(text).success
    ? new Date(text)
    : new Date(now.getTime() + parseDuration(text, where) * 1000)
  return end.getTime() > FOREVER_MS ? new Date(FOREVER_MS) : end
}

export function renderEnd(end: Date): string {
  return end.getTime() >= FOREVER_MS ? 'never' : end.toISOString()
}

/** The earlier of two ends; without `one` there is no end but the other. */
export function earliest(one: Date | undefined, other: Date): Date {
  return one !== undefined && one < other ? one : other
}

/**
 * The two ends of a new key. One that was asked for ends the accounts too, unless they are to be kept; by default
 * there is a week to register, and the accounts go on.
 */
export function endsOf(
  asked: { readonly end?: Date | undefined; readonly keepAccounts?: boolean | undefined },
  now: Date,
): Pick<EabKeyRecord, 'expiresAt' | 'accountsEndAt'> {
  const { end, keepAccounts = false } = asked
  if (end === undefined) return { expiresAt: new Date(now.getTime() + DEFAULT_SECONDS * 1000) }
  const endsAccounts = !keepAccounts && end.getTime() < FOREVER_MS
  return { expiresAt: end, ...(endsAccounts && { accountsEndAt: end }) }
}
