import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ResolvedConfig, readConfig } from '../../src/config/read.ts'
import type { ClientParts } from './acme-client.ts'
import type { Chance } from './chance.ts'
import type { SimDisk } from './disk.ts'
import { liveAsMember, type Society } from './members.ts'
import type { Operator } from './operator.ts'
import { OFTEN } from './rules.ts'
import { liveAsTrouble, TROUBLES } from './troublemakers.ts'
import type { Witness } from './witness.ts'
import type { World } from './world.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 3_600_000
const DAY_MS = 86_400_000

/** What differs from one seed to the next besides chance itself. */
export interface Knobs {
  readonly lifetimeHours: number
  readonly pollSeconds: number
  readonly rebuildWithinSeconds: number
  readonly validAuthorizationHours: number
  /** A file of rules that asks how often, or the names of the configuration. */
  readonly policy: 'rules' | 'names'
}

export function drawKnobs(chance: Chance): Knobs {
  return {
    lifetimeHours: chance.pick([6, 24, 24, 24, 72]),
    pollSeconds: chance.pick([30, 60, 120]),
    rebuildWithinSeconds: chance.pick([60, 300, 900]),
    validAuthorizationHours: chance.pick([1, 8, 24]),
    policy: chance.pick(['rules', 'rules', 'names']),
  }
}

/** A configuration as the server reads it. Times of retention are short, so that a week sees all of them end. */
export async function configOf(knobs: Knobs): Promise<ResolvedConfig> {
  const home = mkdtempSync(join(tmpdir(), 'chancery-simulation-'))
  try {
    return await readConfig({
      home,
      set: [
        'publicUrl=https://ca.test',
        `profiles.server.lifetime=${knobs.lifetimeHours}h`,
        'policies.default.allow.dns=["**.test"]',
        'policies.default.deny.dns=["**.denied.test"]',
        'validation.dns.resolvers=["10.0.0.53:53"]',
        `orders.validAuthorizationLifetime=${knobs.validAuthorizationHours}h`,
        'orders.lifetime=2d',
        `crl.rebuildWithin=${knobs.rebuildWithinSeconds}s`,
        'retention.finalOrders=1d',
        'retention.expiredCertificates=2d',
        'retention.unusedAccounts=2d',
        'retention.audit=5d',
        'retention.decisions=1d',
      ],
    })
  } finally {
    rmSync(home, { recursive: true, force: true })
  }
}

/** Members of several kinds, and a troublemaker for every two of them. */
export function populate(
  society: Society,
  partsFor: (chance: Chance, name: string) => ClientParts,
  members: number,
): void {
  const { world } = society
  const chance = world.chance.fork('population')
  const everyone = Array.from({ length: members }, (_, i) => {
    const name = `member-${i}`
    const isDns = chance.happens(0.3)
    const hosts = Array.from({ length: chance.pick([1, 1, 2, 3]) }, (_, j) =>
      society.host(`h${j}.${name}.${OFTEN.member.zone}`),
    )
    const isFlapping = chance.happens(0.2)
    if (isFlapping)
      for (const host of hosts) host.mood = () => chance.pick(['well', 'well', 'well', 'broken', 'cut', 'silent'])
    return { name, hosts, isFlapping, isDns }
  })
  for (const { name, hosts, isFlapping, isDns } of everyone) {
    const own = world.chance.fork(name)
    const life = liveAsMember(society, partsFor(own, name), {
      name,
      hosts,
      type: isDns ? 'dns-01' : 'http-01',
      isWildcard: isDns && own.happens(0.5),
      isInStep: own.happens(0.5),
      isFlapping,
    })
    world.spawn(life)
  }
  const others = everyone.flatMap(({ hosts }) => hosts)
  for (let i = 0; i < Math.floor(members / 2); i++) {
    const trouble = TROUBLES[i % TROUBLES.length] ?? 'silent'
    const name = `${trouble}-${i}`
    const parts = partsFor(world.chance.fork(name), name)
    world.spawn(liveAsTrouble(society, parts, trouble, { own: society.host(`${name}.${trouble}.test`), others }))
  }
}

/** Somebody who relies on the CRL looks at it every few minutes. */
export async function relyingParty(world: World, operator: Operator, witness: Witness): Promise<void> {
  const chance = world.chance.fork('relying-party')
  for (;;) {
    await world.sleep(chance.between(MINUTE_MS, 10 * MINUTE_MS))
    const { server } = operator
    if (server === undefined) continue
    const crl = await server.latestCrl().catch(() => 'unreadable' as const)
    if (server === operator.server && crl !== 'unreadable') witness.crlSeen(crl)
  }
}

export async function everyHour(world: World, witness: Witness): Promise<void> {
  for (let hour = 1; ; hour++) {
    await world.sleep(HOUR_MS)
    witness.checkEndings()
    if (hour % 24 === 0) witness.checkDurable()
  }
}

const HOLDERS = 'SELECT 1 FROM order_authorizations held WHERE held.authorization_id = a.id'

/**
 * Everybody has gone. The server runs on until every time of retention is over; then only what is to stay may be there,
 * and when it is stopped, it must leave nothing waiting behind.
 */
export async function comeToTheEnd(parts: {
  world: World
  operator: Operator
  witness: Witness
  disk: SimDisk
  retention: ResolvedConfig['retention']
}): Promise<void> {
  const { world, operator, witness, disk, retention } = parts
  const count = (sql: string, ...params: number[]): number =>
    disk.outside<{ count: number }>(`SELECT COUNT(*) AS count FROM ${sql}`, ...params)[0]?.count ?? 0
  const none = (rule: string, what: string, sql: string, ...params: number[]): void =>
    world.check(rule, count(sql, ...params) === 0, () => `at the end there are ${count(sql, ...params)} ${what}`)

  await world.run(world.nowMs + DAY_MS)
  none('jobs-end', 'validation jobs', 'validation_jobs WHERE run_at <= ?', world.nowMs)
  none('leases-end', 'live leases of the CRL', 'crl_state WHERE lease_owner IS NOT NULL')

  const longest = Math.max(retention.expiredCertificates, retention.unusedAccounts, retention.finalOrders)
  await world.run(world.nowMs + longest * 1000 + 4 * DAY_MS)
  // What ended while the clock was far ahead is dated so, and stays until then.
  const before = (seconds: number): number => world.nowMs - HOUR_MS - seconds * 1000
  none('retention', 'orders', 'orders WHERE ends_at IS NULL OR ends_at <= ?', before(retention.finalOrders))
  none(
    'retention',
    'authorizations',
    `authorizations a WHERE expires_at <= ? AND NOT EXISTS (${HOLDERS})`,
    before(retention.finalOrders),
  )
  none('retention', 'nonces', 'nonces WHERE expires_at <= ?', before(0))
  none(
    'retention',
    'certificates of clients',
    'certificates WHERE order_id IS NOT NULL AND not_after <= ?',
    before(retention.expiredCertificates),
  )
  if (count('orders') + count('authorizations') === 0)
    for (const table of ['order_authorizations', 'challenges']) none('retention', `rows in ${table}`, table)
  // One that was followed just now waits for the next sweep.
  none(
    'retention',
    'CRLs beside the last',
    'crls WHERE EXISTS (SELECT 1 FROM crls newer WHERE newer.number > crls.number AND newer.this_update < ?)',
    before(0),
  )
  none(
    'retention',
    'accounts that never ordered',
    'accounts WHERE first_order_at IS NULL AND created_at < ?',
    before(retention.unusedAccounts),
  )
  witness.checkDurable()
  let left = -1
  world.spawn(operator.stop().then((timers) => (left = timers)))
  await world.run(world.nowMs + HOUR_MS)
  world.check('nothing-leaks', left === 0, () => `after the stop ${left} timers are still waiting`)
  await world.run(world.nowMs)
}
