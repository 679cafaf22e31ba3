import assert from 'node:assert/strict'
import type { EdgeServer } from './edge-server.ts'
import { PUBLIC_URL } from './edge-server.ts'
import type { RawResponse } from './raw-connection.ts'

const NONCE = /^[A-Za-z0-9_-]{40}$/

/** Requests on connections of their own, written byte by byte. */
export function rawRequests(server: () => EdgeServer) {
  async function exchange(text: string, options: { noBody?: boolean } = {}): Promise<RawResponse> {
    const connection = await server().raw()
    connection.write(text)
    const response = await connection.response(options)
    connection.close()
    assert.ok(response, `no response to ${text.slice(0, 80)}`)
    return response
  }
  return {
    exchange,

    bare(method: string, path: string, headers: readonly string[] = []): Promise<RawResponse> {
      const lines = [`${method} ${path} HTTP/1.1`, 'Host: ca.test', ...headers, '', '']
      return exchange(lines.join('\r\n'), { noBody: method === 'HEAD' })
    },

    post(
      path: string,
      body: string,
      headers: readonly string[] = ['Content-Type: application/jose+json'],
    ): Promise<RawResponse> {
      const head = [`POST ${path} HTTP/1.1`, 'Host: ca.test', `Content-Length: ${Buffer.byteLength(body)}`, ...headers]
      return exchange([...head, '', body].join('\r\n'))
    },
  }
}

/** A problem document with type, detail and status (CQ-T11). */
export function assertProblem(response: RawResponse, status: number, type = 'malformed'): { detail: string } {
  assert.equal(response.status, status, response.body)
  assert.deepEqual(response.values('Content-Type'), ['application/problem+json'])
  const problem = JSON.parse(response.body)
  assert.equal(problem.type, `urn:ietf:params:acme:error:${type}`)
  assert.equal(problem.status, status)
  assert.ok(typeof problem.detail === 'string' && problem.detail.length > 10)
  return problem
}

/** What every answer of the ACME listener carries, spelled as it must be. */
export function assertAcmeHeaders(response: RawResponse, isDirectory = false): void {
  assert.equal(response.values('Replay-Nonce').length, 1, response.lines.join('\n'))
  assert.match(response.values('Replay-Nonce')[0]!, NONCE)
  assert.deepEqual(response.values('Cache-Control'), ['no-store'])
  const index = response.values('Link').filter((link) => link.endsWith(';rel="index"'))
  assert.deepEqual(index, isDirectory ? [] : [`<${PUBLIC_URL}/acme/default/directory>;rel="index"`])
  assert.deepEqual(response.values('Access-Control-Allow-Origin'), ['*'])
  assert.deepEqual(response.values('Access-Control-Expose-Headers'), ['Link, Replay-Nonce, Location, Retry-After'])
}
