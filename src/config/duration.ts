import { FlagError } from './config-error.ts'
import { duration } from './schema.ts'

/**
 * Reads a length of time as the configuration does: seconds, or a number with s, m, h or d.
 *
 * @param where what the text was given for, such as `--expires`
 * @returns seconds
 * @throws {FlagError}
 */
export function parseDuration(text: string, where: string): number {
  const parsed = duration.safeParse(/^\d+$/.test(text) ? Number(text) : text)
  if (!parsed.success)
    throw new FlagError([`${where}: ${text} is not a length of time; write it as 90s, 15m, 24h or 7d`])
  return parsed.data
}
