import type { Eyes } from './eyes.ts'
import { pause } from './patient-client.ts'
import type { OutsideRecord } from './record.ts'

const OPEN = 'SELECT COUNT(*) AS count FROM certificates WHERE issued_at IS NULL AND abandoned_at IS NULL'

/** Waits until the server has taken up what nobody waits for: reservations whose client does not know of them. */
export async function openReservationsEnd(
  withEyes: (look: (eyes: Eyes) => Promise<void>) => Promise<void>,
  withinMs: number,
): Promise<void> {
  const until = performance.now() + withinMs
  for (let left = 1; left > 0 && performance.now() < until; ) {
    await withEyes(async (eyes) => {
      left = Number((await eyes.rows(OPEN))[0]?.['count'] ?? 0)
    })
    if (left > 0) await pause(500)
  }
}

/** Waits until the newest list names everything that was revoked, with its reason. */
export async function listNamesRevoked(record: OutsideRecord, withinMs: number): Promise<void> {
  const missing = (): string[] =>
    record.revoked.filter((one) => record.listed.get(one.serial) !== one.revokedFor).map(({ serial }) => serial)
  const until = performance.now() + withinMs
  while (missing().length > 0 && performance.now() < until) await pause(200)
  for (const serial of missing())
    record.violation(
      'revocation',
      `${serial} was revoked, and the newest list says ${record.listed.get(serial) ?? 'nothing'}`,
    )
}
