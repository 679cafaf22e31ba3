import type { Clock } from '../lib/clock.ts'
import { isoInstant } from '../lib/instant.ts'
import { escapeLine } from './escape-line.ts'
import type { LogFields, Logger } from './log.ts'
import { loggable } from './loggable.ts'
import { standardOutput } from './standard-output.ts'

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

const RANK = { debug: 0, info: 1, warn: 2, error: 3 } as const satisfies Record<LogLevel, number>
/** Events that others wait for; written whatever the level, and at once. */
const ALWAYS: ReadonlySet<string> = new Set(['ready'])

/** A logger whose lines can be forced out before the process ends. */
export interface ProcessLogger extends Logger {
  /**
   * Writes what is still gathered; for the last moments of a process, which end within a second whatever the reader does.
   *
   * @returns how many lines the reader of standard output never took; the process then has to be ended by `process.exit`
   */
  end(): Promise<number>
}

/** Keys that every line has; a field of the same name is written with a `_` behind it. */
const RESERVED: readonly string[] = ['level', 'time', 'event']

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
  const target =
    options.write === undefined
      ? standardOutput(options.clock)
      : { write: options.write, handOn: () => {}, end: async () => 0 }
  const sink: Sink = {
    least: RANK[options.level],
    write(level, event, text) {
      const time = isoInstant(options.clock.now())
      target.write(escapeLine(`{"level":"${level}","time":"${time}","event":${JSON.stringify(event)}${text}}\n`))
      if (ALWAYS.has(event)) target.handOn()
    },
  }
  const root = new LineLogger(sink, NO_FIELDS)
  return Object.assign(root, { end: () => target.end() })
}

interface Sink {
  /** Rank of the least level that is written. */
  readonly least: number
  /** @param text the fields, as they stand behind the event in the line */
  write(level: LogLevel, event: string, text: string): void
}

/** Lines are put together here, for that costs half of what a general logger takes. */
class LineLogger implements Logger {
  readonly #sink: Sink
  /** Fields of every line. */
  readonly #bound: LogFields
  readonly #boundText: string

  constructor(sink: Sink, bound: LogFields) {
    this.#sink = sink
    this.#bound = bound
    this.#boundText = textOf(bound)
  }

  debug(event: string, fields?: LogFields | (() => LogFields)): void {
    if (!this.#isWritten('debug', event)) return
    this.#line('debug', event, typeof fields === 'function' ? fields() : fields)
  }

  info(event: string, fields?: LogFields): void {
    if (this.#isWritten('info', event)) this.#line('info', event, fields)
  }

  warn(event: string, fields?: LogFields): void {
    if (this.#isWritten('warn', event)) this.#line('warn', event, fields)
  }

  error(event: string, fields?: LogFields): void {
    if (this.#isWritten('error', event)) this.#line('error', event, fields)
  }

  child(fields: LogFields): Logger {
    const kept = this.#notIn(fields)
    // In their order, and a field without a value hides nothing.
    return new LineLogger(this.#sink, { ...kept, ...fields, ...kept })
  }

  #isWritten(level: LogLevel, event: string): boolean {
    return RANK[level] >= this.#sink.least || ALWAYS.has(event)
  }

  #line(level: LogLevel, event: string, fields: LogFields = NO_FIELDS): void {
    const bound = this.#notIn(fields)
    this.#sink.write(level, event, (bound === this.#bound ? this.#boundText : textOf(bound)) + textOf(fields))
  }

  /** What is bound and has no other value in `fields`. */
  #notIn(fields: LogFields): LogFields {
    const keys = Object.keys(this.#bound)
    if (keys.every((key) => fields[key] === undefined)) return this.#bound
    return Object.fromEntries(keys.filter((key) => fields[key] === undefined).map((key) => [key, this.#bound[key]]))
  }
}

const NO_FIELDS: LogFields = Object.freeze({})

/** Fields as they stand in a line: `,"key":value` for each that has a value. */
function textOf(fields: LogFields): string {
  const json = JSON.stringify(renamed(loggable(fields, -1) as LogFields))
  return json === '{}' ? '' : `,${json.slice(1, -1)}`
}

/** A field may not pass for what every line has. */
function renamed(fields: LogFields): LogFields {
  if (!RESERVED.some((key) => key in fields)) return fields
  return Object.fromEntries(Object.keys(fields).map((key) => [RESERVED.includes(key) ? `${key}_` : key, fields[key]]))
}
