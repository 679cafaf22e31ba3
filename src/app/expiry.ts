import type { Clock } from '../lib/clock.ts'
import type { Logger } from '../observe/log.ts'
import type { Metrics } from '../observe/metrics.ts'

/** A certificate that somebody must replace in time. */
export interface WatchedCertificate {
  /** For the log and the metric, such as `root`, `issuer:default`. */
  readonly name: string
  readonly notBefore: Date
  readonly notAfter: Date
}

export type ExpiryLevel = 'fine' | 'soon' | 'urgent' | 'expired'

/** `soon` from a third of the whole life before the end, `urgent` from a tenth (KF-E15). */
export function expiryLevel(certificate: Pick<WatchedCertificate, 'notBefore' | 'notAfter'>, now: Date): ExpiryLevel {
  const life = certificate.notAfter.getTime() - certificate.notBefore.getTime()
  const left = certificate.notAfter.getTime() - now.getTime()
  if (left < 0) return 'expired'
  if (left <= life / 10) return 'urgent'
  return left <= life / 3 ? 'soon' : 'fine'
}

const REPEAT_MS = 86_400_000

/**
 * Looks at each certificate and logs what is ending: at once when its level changes, then once a day.
 * Call the returned function now and then.
 */
export function createExpiryWatch(
  certificates: readonly WatchedCertificate[],
  deps: { readonly clock: Clock; readonly log: Logger; readonly metrics: Metrics },
): () => void {
  const told = new Map<string, { level: ExpiryLevel; atMs: number }>()
  return () => {
    const now = deps.clock.now()
    for (const certificate of certificates) {
      deps.metrics.set('chancery_certificate_not_after_timestamp_seconds', certificate.notAfter.getTime() / 1000, {
        certificate: certificate.name,
      })
      const level = expiryLevel(certificate, now)
      const last = told.get(certificate.name)
      const isNews = last?.level !== level || deps.clock.monotonicMs() - last.atMs >= REPEAT_MS
      if (!isNews) continue
      told.set(certificate.name, { level, atMs: deps.clock.monotonicMs() })
      if (level === 'fine') continue
      const daysLeft = Math.floor((certificate.notAfter.getTime() - now.getTime()) / REPEAT_MS)
      const fields = {
        certificate: certificate.name,
        notAfter: certificate.notAfter,
        daysLeft,
        advice: 'make its successor now: chancery init --help',
      }
      if (level === 'soon') deps.log.warn('ca.expires_soon', fields)
      else deps.log.error(level === 'urgent' ? 'ca.expires_urgently' : 'ca.expired', fields)
    }
  }
}
