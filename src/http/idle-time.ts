import type { Socket } from 'node:net'

/** Pooled connections of clients and proxies live 60 to 90 s; ours must outlive them, and say so (CQ-T02). */
const USUAL_SECONDS = 120
/** How much longer than a client is told an idle connection stays, for what is on its way. */
const GRACE_MS = 30_000

/**
 * A connection on which nothing moves for this long is closed, be it idle or in the middle of a request: longer than we tell
 * clients that an idle one lives.
 */
export const SILENCE_MS = USUAL_SECONDS * 1000 + GRACE_MS

/** Whoever is asked to come back no earlier than this would only wait on its connection. */
const LONG_WAIT_SECONDS = 30
const SENT_AWAY_SECONDS = 5
const SENT_AWAY_GRACE_MS = 5_000

/** How long a connection stays open when nothing more is asked on it. */
export interface IdleTime {
  /** For the `Keep-Alive` header. */
  readonly toldSeconds: number
  /** When it is closed indeed; later, so that the client is the one that ends it. */
  readonly closedMs: number
}

const USUAL: IdleTime = { toldSeconds: USUAL_SECONDS, closedMs: SILENCE_MS }
const SENT_AWAY: IdleTime = {
  toldSeconds: SENT_AWAY_SECONDS,
  closedMs: SENT_AWAY_SECONDS * 1000 + SENT_AWAY_GRACE_MS,
}

/**
 * A crowd of thousands that waits for its appointments would hold every connection that the listener may have, and the
 * memory of its TLS (KF-F07). One that comes back at once still finds its connection, which costs less than a new one.
 *
 * @param headers as for `send`
 */
export function idleTimeAfter(headers: readonly string[]): IdleTime {
  const at = headers.indexOf('Retry-After')
  return at !== -1 && Number(headers[at + 1]) >= LONG_WAIT_SECONDS ? SENT_AWAY : USUAL
}

/** Sets it where it is another, since a timer for each request would cost more than one for the connection. */
export function setIdleTime(socket: Socket, ms: number): void {
  if (socket.timeout !== ms) socket.setTimeout(ms)
}
