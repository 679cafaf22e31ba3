import { destination } from 'pino'
import type { Clock } from '../lib/clock.ts'
import { escapeLine } from './escape-line.ts'
import type { LogFields, Logger } from './log.ts'
import { loggable } from './loggable.ts'

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

const RANK = { debug: 0, info: 1, warn: 2, error: 3 } as const satisfies Record<LogLevel, number>
/** Events that others wait for; written whatever the level, and at once. */
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
const BUFFERED_CHARACTERS = 8_192
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
  const target =
    options.write === undefined
      ? standardOutput(options.clock)
      : { write: options.write, handOn: () => {}, flush: () => {} }
  const sink: Sink = {
    least: RANK[options.level],
    write(level, event, text) {
      const time = options.clock.now().toISOString()
      target.write(escapeLine(`{"level":"${level}","time":"${time}","event":${jsonOf(event)}${text}}\n`))
      if (ALWAYS.has(event)) target.handOn()
    },
  }
  const root = new LineLogger(sink, [])
  return Object.assign(root, { flush: () => target.flush() })
}

/**
 * Standard output, by way of pino's destination. Lines are gathered here and handed on together: the destination
 * measures all that it holds at each line, which would be the greater part of the cost of logging.
 */
function standardOutput(clock: Clock): { write(line: string): void; handOn(): void; flush(): void } {
  const out = destination({ dest: 1, sync: false, minLength: 0 })
  // A reader that went away must not take the server with it; there is nowhere left to tell.
  out.on('error', () => {})
  let lines: string[] = []
  let gathered = 0
  const handOn = (): void => {
    if (gathered > 0) out.write(lines.join(''))
    lines = []
    gathered = 0
  }
  return {
    handOn,
    write(line) {
      if (gathered === 0) void clock.sleep(FLUSH_MS).then(handOn)
      lines.push(line)
      gathered += line.length
      if (gathered >= BUFFERED_CHARACTERS) handOn()
    },
    flush() {
      handOn()
      try {
        out.flushSync()
      } catch {
        // Not open yet, or closed: nothing can be written any more.
      }
    },
  }
}

interface Sink {
  /** Rank of the least level that is written. */
  readonly least: number
  /** @param text the fields, as they stand behind the event in the line */
  write(level: LogLevel, event: string, text: string): void
}

/** A field of every line of a child, written as JSON once. */
interface Bound {
  readonly key: string
  readonly json: string
}

/** Lines are put together here, for that costs half of what a general logger takes; pino moves them out. */
class LineLogger implements Logger {
  readonly #sink: Sink
  readonly #bound: readonly Bound[]

  constructor(sink: Sink, bound: readonly Bound[]) {
    this.#sink = sink
    this.#bound = bound
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
    const bound = this.#bound.filter(({ key }) => fields[key] === undefined)
    for (const key of Object.keys(fields)) {
      const json = memberOf(key, fields[key])
      if (json !== undefined) bound.push({ key, json })
    }
    return new LineLogger(this.#sink, bound)
  }

  #isWritten(level: LogLevel, event: string): boolean {
    return RANK[level] >= this.#sink.least || ALWAYS.has(event)
  }

  #line(level: LogLevel, event: string, fields: LogFields = NO_FIELDS): void {
    let text = ''
    for (const { key, json } of this.#bound) if (fields[key] === undefined) text += json
    for (const key of Object.keys(fields)) text += memberOf(key, fields[key]) ?? ''
    this.#sink.write(level, event, text)
  }
}

const NO_FIELDS: LogFields = Object.freeze({})

/** `,"key":value`, or undefined when there is no value. */
function memberOf(key: string, value: unknown): string | undefined {
  const json = jsonOf(loggable(value))
  return json === undefined ? undefined : `${nameOf(key)}${json}`
}

/** What needs no escape in JSON. Ids, names and addresses are of it, and most of what is logged is one of these. */
const PLAIN = /^[ !#-[\]-~]*$/

function jsonOf(value: unknown): string | undefined {
  return typeof value === 'string' && PLAIN.test(value) ? `"${value}"` : JSON.stringify(value)
}

/** Keys of fields are written in our own code, so there are few; the bound is for a mistake. */
const NAMES = new Map<string, string>()
const MAX_NAMES = 1000

function nameOf(key: string): string {
  const known = NAMES.get(key)
  if (known !== undefined) return known
  const name = `,${JSON.stringify(RESERVED.has(key) ? `${key}_` : key)}:`
  if (NAMES.size < MAX_NAMES) NAMES.set(key, name)
  return name
}
