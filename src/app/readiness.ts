import type { ReadinessCheck } from '../admin/admin-listener.ts'
import { checkIssuerLimits } from '../issuance/check-issuer.ts'
import type { Issuer } from '../issuance/issuer.ts'
import type { Clock } from '../lib/clock.ts'
import type { ClockGuard } from '../lib/clock-guard.ts'
import type { CrlPublisher } from '../revocation/crl-publisher.ts'
import type { Store } from '../store/store.ts'

/** What `/readyz` asks. A CRL past its end makes relying parties refuse good certificates (KF-D11). */
export function readinessChecks(deps: {
  readonly store: Pick<Store, 'ping'>
  readonly issuers: () => readonly Issuer[]
  readonly publisher: Pick<CrlPublisher, 'latest'>
  readonly clock: Clock
  readonly clockGuard: ClockGuard
}): ReadinessCheck[] {
  const { store, issuers, publisher, clock, clockGuard } = deps
  return [
    {
      name: 'store',
      check: () =>
        store.ping().then(
          () => undefined,
          () => 'the store cannot be read and written',
        ),
    },
    { name: 'clock', check: async () => clockGuard.problem()?.message },
    {
      name: 'issuers',
      check: async () => issuers().flatMap((issuer) => checkIssuerLimits(issuer, clock.now()))[0],
    },
    {
      name: 'crl',
      check: async () => {
        for (const issuer of issuers()) {
          const crl = await publisher.latest(issuer.id)
          if (crl === undefined) return `issuer ${issuer.name} has no CRL`
          if (crl.nextUpdate <= clock.now())
            return `the CRL of issuer ${issuer.name} expired at ${crl.nextUpdate.toISOString()}`
        }
        return undefined
      },
    },
  ]
}
