import { isoInstant } from '../../lib/instant.ts'

/** RFC 3339 in UTC and whole seconds, the only form that every client reads (CQ-T10). Milliseconds are dropped. */
export function renderInstant(instant: Date): string {
  return `${isoInstant(instant).slice(0, 19)}Z`
}
