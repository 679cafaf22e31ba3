import { generateTestKey, type TestKey } from '../support/test-keys.ts'
import { AcmeClient, BASE_URL, type Certificate, type ClientParts, isOrdinary } from './acme-client.ts'
import type { SimHost } from './internet.ts'
import type { Society } from './members.ts'

const MINUTE_MS = 60_000

export type Trouble = 'silent' | 'hopeless' | 'liar' | 'vanisher' | 'compromised' | 'crowd'
export const TROUBLES: readonly Trouble[] = ['silent', 'hopeless', 'liar', 'vanisher', 'compromised', 'crowd']

/** A client that is broken, careless or malicious; it comes back every few hours and does the same again. */
export async function liveAsTrouble(
  society: Society,
  parts: ClientParts,
  trouble: Trouble,
  hosts: { readonly own: SimHost; readonly others: readonly SimHost[] },
): Promise<void> {
  const { world, chance } = parts
  let client = new AcmeClient(parts)
  while (!society.isOver) {
    await world.sleep(chance.untilNext(4))
    if (society.isOver) return
    if (chance.happens(0.2)) client = new AcmeClient(parts)
    try {
      if (client.kid === undefined) await client.register()
      await ACTS[trouble](client, hosts)
    } catch (error) {
      if (!isOrdinary(error)) throw error
      world.trace('trouble', parts.name, String(error).slice(0, 80))
    }
  }
}

type Act = (client: AcmeClient, hosts: { own: SimHost; others: readonly SimHost[] }) => Promise<void>

const ACTS: Readonly<Record<Trouble, Act>> = {
  /** Orders, and never answers a challenge. */
  silent: async (client, { own }) => {
    const { url } = await client.newOrder([own.name, `a.${own.name}`])
    await client.read('order', url)
  },

  /** Answers challenges that nothing proves. */
  hopeless: async (client, { own }) => {
    own.mood = () => client.parts.chance.pick(['refusing', 'silent', 'broken', 'cut'])
    await obtain(client, own)
  },

  /** Wants names that are another's, and names that nobody may have. */
  liar: async (client, { others }) => {
    const { chance, world } = client.parts
    const victim = chance.pick(others)
    const { order } = await client.newOrder([victim.name])
    for (const url of order.authorizations as string[]) {
      const authorization = (await client.read('authorization', url)).json
      for (const challenge of authorization.challenges ?? []) await client.post(challenge.url, {})
      await world.sleep(chance.between(0, 5 * MINUTE_MS))
      await client.post(order.finalize, { csr: 'AAAA' })
    }
    for (const name of ['www.denied.test', 'example.com', 'localhost']) {
      const refused = await client.post(`${BASE_URL}/acme/default/new-order`, {
        identifiers: [{ type: 'dns', value: name }],
      })
      world.check('policy', refused.status >= 400, () => `an order for ${name} was accepted`)
    }
  },

  /** Goes away in the middle of things. */
  vanisher: async (client, { own }) => {
    const { chance, world } = client.parts
    const task = obtain(client, own)
    task.catch(() => undefined)
    await Promise.race([task, world.sleep(chance.between(10, 20_000))])
    // What is left of it goes on for a moment, as packets under way do; the host is gone for good.
    own.mood = () => 'silent'
    await task.catch(() => undefined)
    own.mood = () => 'well'
  },

  /** Loses its key, says so, and tries to have it certified again; then closes its account, and tries with that. */
  compromised: async (client, { own }) => {
    const { witness, world } = client.parts
    own.mood = () => 'well'
    const key = generateTestKey('ES256')
    const certificate = await obtain(client, own, key)
    await client.revoke(certificate, 1, { jwk: key })
    witness.keyCompromised(key)
    const mustNot = (rule: string, what: string, attempt: Promise<unknown>): Promise<void> =>
      attempt.then(
        () => world.check(rule, false, () => `${own.name} got a certificate ${what}`),
        (error: unknown) => {
          if (!isOrdinary(error)) throw error
        },
      )
    await mustNot('blocked-key', 'for a compromised key', obtain(client, own, key))
    await client.deactivate()
    await mustNot('ended-account', 'for a closed account', obtain(client, own))
    client.begin()
  },

  /** Does everything many times at once. */
  crowd: async (client, { own }) => {
    const { chance, world } = client.parts
    own.mood = () => (chance.happens(0.2) ? 'broken' : 'well')
    const tasks = Array.from({ length: chance.between(2, 12) }, () => obtain(client, own))
    const certificates: Certificate[] = []
    for (const outcome of await Promise.allSettled(tasks)) {
      if (outcome.status === 'fulfilled') certificates.push(outcome.value)
      else if (!isOrdinary(outcome.reason)) throw outcome.reason
    }
    const [first] = certificates
    if (first === undefined) return
    await Promise.allSettled([client.revoke(first, 4), client.revoke(first, 4), client.revoke(first, 5)])
    const { url, order } = await client.newOrder([own.name])
    for (const authorization of order.authorizations as string[]) await client.prove(authorization, own, 'http-01')
    const key = generateTestKey('ES256')
    const finished = await Promise.allSettled(Array.from({ length: 4 }, () => client.finish(url, [own.name], key)))
    const serials = new Set(finished.flatMap((one) => (one.status === 'fulfilled' ? [one.value.serial] : [])))
    world.check('one-serial', serials.size <= 1, () => `one order became ${serials.size} certificates`)
  },
}

async function obtain(
  client: AcmeClient,
  host: SimHost,
  key: TestKey = generateTestKey('ES256'),
): Promise<Certificate> {
  const { url, order } = await client.newOrder([host.name])
  for (const authorization of order.authorizations as string[]) await client.prove(authorization, host, 'http-01')
  return client.finish(url, [host.name], key)
}
