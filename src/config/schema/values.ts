import { z } from 'zod'
import { parseRate } from '../../limits/rate.ts'

/** `host:port`, with IPv6 in brackets. */
export const listenAddress = z
  .string()
  .regex(/^(\[[0-9a-fA-F:]+\]|[^:[\]\s]+):\d{1,5}$/, 'must be host:port, IPv6 in brackets')

export const httpsUrl = z.url({ protocol: /^https$/ })
export const httpUrl = z.url({ protocol: /^http$/ })

/** An address told to clients; it goes into header lines as it is. */
export const webUrl = z
  .url({ protocol: /^https?$/, error: 'must be an http or https URL' })
  .regex(
    /^[!#-;=?-~]+$/,
    'must be printable ASCII without spaces, quotes or angle brackets; write others percent-encoded',
  )

/** A century: dates and timers stay within what the runtime can hold. */
const seconds = z
  .number()
  .int()
  .positive()
  .max(36_525 * 86_400, 'must be at most 36525d')

const DURATION_UNITS = { s: 1, m: 60, h: 3600, d: 86400 } as const

/** A length of time: a number of seconds, or text such as `90s`, `15m`, `24h`, `7d`. Becomes seconds. */
export const duration = z
  .union([seconds, z.string().regex(/^\d{1,9}[smhd]$/, 'must be seconds, or a number with s, m, h or d')])
  .transform((value) =>
    typeof value === 'number'
      ? value
      : Number(value.slice(0, -1)) * DURATION_UNITS[value.slice(-1) as keyof typeof DURATION_UNITS],
  )
  .pipe(seconds)

/** A list; one plain value stands for a list of one, so that `--set a.b=x` works. */
export const listOf = <T extends z.ZodType>(item: T) =>
  z.preprocess((value) => (value === undefined || Array.isArray(value) ? value : [value]), z.array(item))

/** `COUNT/PERIOD`, with ` burst COUNT` where it differs from the count, or `off`. */
export const rate = (fallback: string) =>
  z
    .string()
    .superRefine((text, context) => {
      const read = parseRate(text)
      if (typeof read === 'string') context.addIssue({ code: 'custom', message: read })
    })
    .default(fallback)
