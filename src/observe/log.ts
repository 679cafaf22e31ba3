/**
 * The log as the rooms see it: an event name and fields, one JSON line each. A child carries its fields into every
 * line, so that one order can be followed from newOrder to certificate by its id.
 */
export interface Logger {
  /** @param fields a function is called only when the line is written */
  debug(event: string, fields?: LogFields | (() => LogFields)): void
  info(event: string, fields?: LogFields): void
  warn(event: string, fields?: LogFields): void
  error(event: string, fields?: LogFields): void
  child(fields: LogFields): Logger
}

/** Well-known keys first. `error` is written as message, code and stack; secrets have no place here (KF-F20). */
export interface LogFields {
  readonly requestId?: string | undefined
  readonly directory?: string | undefined
  readonly accountId?: string | undefined
  readonly orderId?: string | undefined
  readonly authorizationId?: string | undefined
  readonly challengeId?: string | undefined
  readonly serial?: string | undefined
  readonly error?: unknown
  readonly [field: string]: unknown
}
