import { generateTestKey } from '../support/test-keys.ts'
import { AcmeClient, type Certificate, type ClientParts, isOrdinary } from './acme-client.ts'
import type { Chance } from './chance.ts'
import type { SimHost } from './internet.ts'
import type { World } from './world.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 3_600_000

/** What people look at before they take the next step. */
export interface Society {
  readonly world: World
  /** True from when everybody is to come to an end. */
  isOver: boolean
  client(chance: Chance, name: string): AcmeClient
  host(name: string): SimHost
}

export interface MemberOptions {
  readonly name: string
  readonly hosts: readonly SimHost[]
  readonly type: 'http-01' | 'dns-01'
  readonly isWildcard: boolean
  /** Renews at these hours of the day sharp, with all others that do (KF-E17); else at two thirds of the life. */
  readonly isInStep: boolean
  /** The hosts are not always well; then there is no promise that a certificate is always held. */
  readonly isFlapping: boolean
}

/**
 * A client that does everything right, for months: registers, proves, renews at two thirds of the life, tries again
 * after what it could not help, and now and then changes its key, revokes what it replaced, or begins anew. While the
 * server keeps its side, it always holds a certificate that is good.
 */
export async function liveAsMember(society: Society, parts: ClientParts, options: MemberOptions): Promise<void> {
  const { world, chance } = parts
  const names = options.hosts.flatMap(({ name }) => (options.isWildcard ? [`*.${name}`] : [name]))
  let client = new AcmeClient(parts)
  let current: Certificate | undefined
  await world.sleep(chance.between(0, 6 * HOUR_MS))
  while (!society.isOver) {
    const previous = current
    current = await obtain(society, client, names, options)
    if (current === undefined) return
    expectRenewal(society, options, () => current)
    const renewAtMs = current.notBeforeMs + ((current.notAfterMs - current.notBeforeMs) * 2) / 3
    client = await occasionally(society, client, previous, parts)
    const jitter = chance.between(0, 10 * MINUTE_MS)
    const dueMs = options.isInStep ? Math.floor(renewAtMs / HOUR_MS) * HOUR_MS : renewAtMs - jitter
    await world.sleep(Math.max(MINUTE_MS, dueMs - world.nowMs))
  }
}

/** At the end of each certificate there must be another one. */
function expectRenewal(society: Society, options: MemberOptions, current: () => Certificate | undefined): void {
  const { world } = society
  const endMs = current()?.notAfterMs ?? 0
  if (options.isFlapping) return
  world.after(endMs - world.nowMs, () => {
    if (society.isOver) return
    const isCovered = (current()?.notAfterMs ?? 0) > world.nowMs
    world.check('availability', isCovered, () => `${options.name} has no certificate any more; its last one ended now`)
  })
}

/** Tries until it succeeds. @returns undefined when everything is over */
async function obtain(
  society: Society,
  client: AcmeClient,
  names: readonly string[],
  options: MemberOptions,
): Promise<Certificate | undefined> {
  const { world, chance } = client.parts
  for (let failures = 0; !society.isOver; failures++) {
    try {
      if (client.kid === undefined) await client.register()
      const { url, order } = await client.newOrder(names)
      for (const [i, authorization] of (order.authorizations as string[]).entries()) {
        const host = options.hosts[i]
        if (host === undefined) throw new Error('more authorizations than names')
        await client.prove(authorization, host, options.type, chance.between(0, 8_000))
      }
      const certificate = await client.finish(url, names, generateTestKey('ES256'))
      const isGood = certificate.notBeforeMs <= world.nowMs && certificate.notAfterMs > world.nowMs
      if (isGood) return certificate
      world.trace('not-good', options.name)
    } catch (error) {
      if (!isOrdinary(error)) throw error
      world.trace('failed', options.name, String(error).slice(0, 80))
    }
    await world.sleep(Math.min(20, 2 ** failures) * chance.between(MINUTE_MS / 2, MINUTE_MS))
  }
  return undefined
}

/** What a client does once in a while, all of it optional. */
async function occasionally(
  society: Society,
  client: AcmeClient,
  previous: Certificate | undefined,
  parts: ClientParts,
): Promise<AcmeClient> {
  const { world, chance } = parts
  const [revokes, changesKey, leaves] = [chance.happens(0.15), chance.happens(0.06), chance.happens(0.01)]
  await world.sleep(chance.between(0, 5 * MINUTE_MS))
  if (society.isOver) return client
  try {
    if (revokes && previous !== undefined && previous.notAfterMs > world.nowMs + HOUR_MS)
      await client.revoke(previous, chance.pick([0, 4, 5]))
    if (changesKey) await client.changeKey()
    if (leaves) {
      await client.deactivate()
      return new AcmeClient(parts)
    }
  } catch (error) {
    if (!isOrdinary(error)) throw error
    // Whether the account still is one is not known; a new one does in any case.
    if (leaves) return new AcmeClient(parts)
  }
  return client
}
