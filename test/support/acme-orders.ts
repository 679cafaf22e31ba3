import { certificate } from '../../src/acme/endpoints/certificate.ts'
import { finalize } from '../../src/acme/endpoints/finalize.ts'
import { newOrder } from '../../src/acme/endpoints/new-order.ts'
import { order } from '../../src/acme/endpoints/order.ts'
import type { AcmeWorld, TestAccount, WorldOptions } from './acme-world.ts'
import { identifiers, idIn, openAcmeWorld } from './acme-world.ts'
import type { TestIdentifier } from './test-csr.ts'
import type { TestKey } from './test-keys.ts'
import { generateTestKey } from './test-keys.ts'

/** A world that ends with its test. */
export async function openFor(t: { after(fn: () => Promise<void>): void }, options?: WorldOptions): Promise<AcmeWorld> {
  const world = await openAcmeWorld(options)
  t.after(world.cleanup)
  return world
}

/** Places an order and proves every name of it that is not proved yet. */
export async function readyOrder(
  world: AcmeWorld,
  by: TestAccount,
  names: readonly TestIdentifier[] = ['a.test'],
  extra: object = {},
): Promise<{ params: { id: string }; location: string | undefined; authorizationUrls: string[] }> {
  const { json, location } = await world.call(newOrder, { by, payload: { ...identifiers(...names), ...extra } })
  for (const [index, url] of json.authorizations.entries()) {
    const found = await world.findAuthorization(by, idIn(url))
    if (found?.challenges.some(({ validatedAt }) => validatedAt !== undefined)) continue
    const isWildcard = json.identifiers[index].value.startsWith('*.')
    await world.prove(by, idIn(url), isWildcard ? 'dns-01' : 'http-01')
  }
  return { params: { id: idIn(location) }, location, authorizationUrls: json.authorizations }
}

/** The status of an order, as its client reads it. */
export async function readStatus(world: AcmeWorld, by: TestAccount, params: { id: string }): Promise<string> {
  return (await world.call(order, { by, params })).json.status
}

export const serialIn = (certificateUrl: string): string => certificateUrl.split('/').at(-1) ?? ''

/** The leaf that an account downloads, DER. */
export async function downloadLeaf(world: AcmeWorld, by: TestAccount, serial: string): Promise<Buffer> {
  const reply = await world.call(certificate, { by, params: { serial }, accept: 'application/pkix-cert' })
  if (reply.bytes === undefined) throw new Error('no certificate came')
  return reply.bytes
}

/** A certificate from newOrder to download. */
export async function issueCertificate(
  world: AcmeWorld,
  by: TestAccount,
  names: readonly TestIdentifier[] = ['a.test'],
  key: TestKey = generateTestKey('ES256'),
) {
  const { params } = await readyOrder(world, by, names)
  const { csr } = world.csr(names, { key })
  const { json } = await world.call(finalize, { by, params, payload: { csr } })
  const serial = serialIn(json.certificate)
  const der = await downloadLeaf(world, by, serial)
  return { orderId: params.id, serial, key, der, payload: { certificate: der.toString('base64url') } }
}

/** Lets the process go on until something has come to pass. */
export async function until(isTrue: () => boolean): Promise<void> {
  const deadline = performance.now() + 20_000
  while (!isTrue()) {
    if (performance.now() > deadline) throw new Error('it did not come to pass')
    await new Promise((resolve) => setImmediate(resolve))
  }
}
