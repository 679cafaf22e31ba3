import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import type { AcmeTestClient } from './acme-test-client.ts'
import type { HttpTarget } from './http-target.ts'

export interface Issued {
  readonly orderUrl: string
  readonly certificateUrl: string
  readonly certificate: X509Certificate
  /** Lower-case hex. */
  readonly serial: string
}

/** The stock flow of an http-01 client that has an account, from the order to the certificate. */
export async function issueOnce(client: AcmeTestClient, target: HttpTarget, name: string): Promise<Issued> {
  const order = await client.newOrder([name])
  assert.equal(order.status, 201, order.text)
  await proveOrder(client, target, order.json.authorizations)
  const finalized = await client.post(order.json.finalize, { csr: client.csr([name]).base64url })
  assert.equal(finalized.status, 200, finalized.text)
  return collect(client, order.headers.location ?? '')
}

/** Answers the http-01 challenges of these authorizations and waits until they are valid. */
export async function proveOrder(client: AcmeTestClient, target: HttpTarget, urls: readonly string[]): Promise<void> {
  for (const url of urls) {
    const authorization = await client.postAsGet(url)
    assert.equal(authorization.status, 200, authorization.text)
    if (authorization.json.status === 'valid') continue
    const challenge = authorization.json.challenges.find((one: { type: string }) => one.type === 'http-01')
    target.provision(challenge.token, client.keyAuthorization(challenge.token))
    const answered = await client.post(challenge.url, {})
    assert.equal(answered.status, 200, answered.text)
    const proved = await client.poll(url)
    assert.equal(proved.json.status, 'valid', proved.text)
  }
}

/** Waits for the order and fetches its certificate. */
export async function collect(client: AcmeTestClient, orderUrl: string): Promise<Issued> {
  const done = await client.poll(orderUrl)
  assert.equal(done.json.status, 'valid', done.text)
  const chain = await client.postAsGet(done.json.certificate)
  assert.equal(chain.status, 200, chain.text)
  const certificate = new X509Certificate(chain.text)
  return {
    orderUrl,
    certificateUrl: done.json.certificate,
    certificate,
    serial: certificate.serialNumber.toLowerCase(),
  }
}
