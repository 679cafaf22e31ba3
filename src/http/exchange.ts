import type { IncomingMessage, ServerResponse } from 'node:http'

/** One request and its answer, as a listener hands it to a route. */
export interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly method: string
  /** Path and query as they came, undecoded; what a JWS `url` is compared with. */
  readonly target: string
  readonly path: string
  /** Without the question mark; empty when there is none. */
  readonly query: string
  /** Path parameters of the route's template; untrusted text. */
  readonly params: Readonly<Record<string, string>>
  /** True when the requester waits for `100 Continue` before it sends its body. */
  readonly awaitsContinue: boolean
  /** True while the listener drains: the answer closes the connection (CQ-T02). */
  readonly isDraining: () => boolean
}

/**
 * The target in origin form. An absolute-form target is legal (RFC 9112 §3.2.2); its authority is dropped, because
 * it decides nothing here.
 */
export function originForm(url: string): string {
  if (url.charCodeAt(0) === 0x2f) return url
  const scheme = /^https?:\/\/[^/?#]*/i.exec(url)
  return scheme === null ? url : url.slice(scheme[0].length) || '/'
}

/**
 * Whether a path is written in the one way in which we hand paths out: no percent-encoding, no empty, `.` or `..`
 * segment, no trailing slash (KF-F19). A second spelling of a path is another path, which does not exist.
 */
export function isCanonicalPath(path: string): boolean {
  return CANONICAL_PATH.test(path)
}

const CANONICAL_PATH = /^(?:\/(?!\.{1,2}(?:\/|$))[A-Za-z0-9._~-]+)+$/
