import { type DestinationStream, destination, type Logger as Pino, pino } from 'pino'
import type { Clock } from '../lib/clock.ts'
import { escapeLine } from './escape-line.ts'
import type { LogFields, Logger } from './log.ts'
import { loggable } from './loggable.ts'

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

const RANK = { debug: 0, info: 1, warn: 2, error: 3 } as const satisfies Record<LogLevel, number>
/** Events that others wait for; written whatever the level. */
const ALWAYS: ReadonlySet<string> = new Set(['ready'])

/** A logger whose lines can be forced out before the process ends. */
export interface ProcessLogger extends Logger {
  /** Writes what is still buffered, synchronously; for the last moments of a process. */
  flush(): void
}

/**
 * Lines are gathered so that a busy server does not pay a system call for each. A `kill -9` can cost the last tenth of
 * a second of log; what must not be lost is in the store's audit trail, not here.
 */
const BUFFERED_BYTES = 8_192
const FLUSH_MS = 100

/** Keys that every line has; a field of the same name is written with a `_` behind it. */
const RESERVED = new Set(['level', 'time', 'event'])

/**
 * JSON lines: `level`, `time` (ISO, UTC), `event`, then the fields.
 *
 * @param options.write where lines go, each with its newline; default: standard output
 */
export function createLogger(options: {
  level: LogLevel
  clock: Clock
  write?: (line: string) => void
}): ProcessLogger {
  const target = options.write === undefined ? standardOutput() : { write: options.write, flush: () => {} }
  const stream: DestinationStream = { write: (line) => target.write(escapeLine(line)) }
  const root = pino(
    {
      // What is below the level is left out in `wrap`, which knows the exceptions.
      level: 'debug',
      base: null,
      timestamp: () => `,"time":"${options.clock.now().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
      // Fields are made plain by `loggable`; nothing is left for pino to serialize.
      serializers: {},
    },
    stream,
  )
  return { ...wrap(root, options.level), flush: () => target.flush() }
}

function standardOutput(): { write(line: string): void; flush(): void } {
  const out = destination({ dest: 1, sync: false, minLength: BUFFERED_BYTES, periodicFlush: FLUSH_MS })
  // A reader that went away must not take the server with it; there is nowhere left to tell.
  out.on('error', () => {})
  return {
    write: (line) => void out.write(line),
    flush: () => {
      try {
        out.flushSync()
      } catch {
        // Not open yet, or closed: nothing can be written any more.
      }
    },
  }
}

/** @param bound fields of every line, already plain; a child copies them, which costs less than a child of pino's */
function wrap(to: Pino, least: LogLevel, bound: PlainFields = {}): Logger {
  const at =
    (level: LogLevel) =>
    (event: string, fields?: LogFields): void => {
      if (RANK[level] >= RANK[least] || ALWAYS.has(event)) to[level]({ event, ...bound, ...plain(fields) })
    }
  return {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: (fields) => wrap(to, least, { ...bound, ...plain(fields) }),
  }
}

type PlainFields = Readonly<Record<string, unknown>>

function plain(fields: LogFields | undefined): PlainFields | undefined {
  if (fields === undefined) return undefined
  // Without a prototype a field named `__proto__` is a field like any other.
  const shown: Record<string, unknown> = Object.create(null)
  for (const key of Object.keys(fields)) {
    const value = fields[key]
    if (value !== undefined) shown[RESERVED.has(key) ? `${key}_` : key] = loggable(value)
  }
  return shown
}
