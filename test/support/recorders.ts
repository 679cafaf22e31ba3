import type { LogFields, Logger } from '../../src/observe/log.ts'
import type { Metrics } from '../../src/observe/metrics.ts'

export interface LogLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  readonly event: string
  readonly fields: LogFields
}

/** A logger that keeps its lines, those of its children too. */
export class RecordingLogger implements Logger {
  readonly lines: LogLine[]
  readonly #bound: LogFields

  constructor(lines: LogLine[] = [], bound: LogFields = {}) {
    this.lines = lines
    this.#bound = bound
  }

  debug = (event: string, fields?: LogFields | (() => LogFields)): void =>
    this.#write('debug', event, typeof fields === 'function' ? fields() : fields)
  info = (event: string, fields?: LogFields): void => this.#write('info', event, fields)
  warn = (event: string, fields?: LogFields): void => this.#write('warn', event, fields)
  error = (event: string, fields?: LogFields): void => this.#write('error', event, fields)

  child(fields: LogFields): RecordingLogger {
    return new RecordingLogger(this.lines, { ...this.#bound, ...fields })
  }

  /** The fields of every line with this event, oldest first. */
  of(event: string): LogFields[] {
    return this.lines.filter((line) => line.event === event).map(({ fields }) => fields)
  }

  #write(level: LogLine['level'], event: string, fields: LogFields = {}): void {
    this.lines.push({ level, event, fields: { ...this.#bound, ...fields } })
  }
}

/** Metrics that only count. */
export class RecordingMetrics implements Metrics {
  readonly counts = new Map<string, number>()

  count: Metrics['count'] = (name, labels = {}, by = 1) => {
    const key = [name, ...Object.values(labels)].join(' ')
    this.counts.set(key, (this.counts.get(key) ?? 0) + by)
  }
  observe: Metrics['observe'] = () => undefined
  set: Metrics['set'] = () => undefined
}
