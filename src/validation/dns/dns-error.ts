/** How asking a resolver can go wrong. An empty answer and a missing name are answers, not errors. */
export type DnsErrorCode =
  | 'alias'
  | 'malformed'
  | 'refused'
  | 'server-failure'
  | 'timeout'
  | 'truncated'
  | 'unreachable'

/** A question that got no usable answer. `message` says why, for the requester; `code` is for the log. */
export class DnsError extends Error {
  readonly code: DnsErrorCode
  constructor(code: DnsErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}
