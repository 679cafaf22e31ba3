import assert from 'node:assert/strict'
import type { AcmeTestClient } from './acme-test-client.ts'
import type { HttpTarget } from './http-target.ts'
import type { TestKey } from './test-keys.ts'

/** An order as its client sees it after newOrder, with the http-01 challenge of its first name. */
export interface PlacedOrder {
  readonly names: readonly string[]
  readonly orderUrl: string
  readonly finalizeUrl: string
  readonly authorizationUrl: string
  readonly challenge: { readonly url: string; readonly token: string }
}

export interface IssuedOrder extends PlacedOrder {
  readonly certificateUrl: string
  readonly pem: string
  readonly key: TestKey
  readonly csr: string
}

/** newOrder for one name, and what is behind its URLs. */
export async function placeOrder(client: AcmeTestClient, name: string): Promise<PlacedOrder> {
  const order = await client.newOrder([name])
  assert.equal(order.status, 201, order.text)
  const [authorizationUrl] = order.json.authorizations
  const authorization = await client.postAsGet(authorizationUrl)
  const challenge = authorization.json.challenges.find((one: { type: string }) => one.type === 'http-01')
  return {
    names: [name],
    orderUrl: order.headers.location ?? '',
    finalizeUrl: order.json.finalize,
    authorizationUrl,
    challenge,
  }
}

/** Proves the name by http-01. */
export async function proveOrder(client: AcmeTestClient, placed: PlacedOrder, target: HttpTarget): Promise<void> {
  target.provision(placed.challenge.token, client.keyAuthorization(placed.challenge.token))
  const responded = await client.post(placed.challenge.url, {})
  assert.equal(responded.status, 200, responded.text)
  const proved = await client.poll(placed.authorizationUrl)
  assert.equal(proved.json?.status, 'valid', proved.text)
}

/** From newOrder to the download. */
export async function issueOrder(client: AcmeTestClient, name: string, target: HttpTarget): Promise<IssuedOrder> {
  const placed = await placeOrder(client, name)
  await proveOrder(client, placed, target)
  const { base64url: csr, key } = client.csr([name])
  const finalized = await client.post(placed.finalizeUrl, { csr })
  assert.equal(finalized.status, 200, finalized.text)
  const done = await client.poll(placed.orderUrl)
  assert.equal(done.json?.status, 'valid', done.text)
  const chain = await client.postAsGet(done.json.certificate)
  assert.equal(chain.status, 200, chain.text)
  return { ...placed, certificateUrl: done.json.certificate, pem: chain.text, key, csr }
}
