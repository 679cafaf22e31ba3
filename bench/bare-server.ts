import { type KeyObject, verify } from 'node:crypto'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { TEST_TLS } from '../test/support/self-signed.ts'
import { generateTestKey, signJws } from '../test/support/test-keys.ts'

// The least that a server on this runtime can do with a signed request: read it over TLS, parse its JSON, verify one
// signature, answer as many headers as an ACME answer has. Prints its port, and ends with its standard input.
const key = generateTestKey('ES256')
const message = 'x'.repeat(300)
const signature = signJws(key, message)
const signingInput = Buffer.from(message)
const ANSWER = JSON.stringify({ status: 'valid', filler: 'y'.repeat(300) })

const server = createServer(TEST_TLS, (request, response) => {
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.on('end', () => {
    JSON.parse(Buffer.concat(chunks).toString())
    const isGood = isSigned(key.publicKey)
    response.writeHead(isGood ? 200 : 400, [
      'Replay-Nonce',
      'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA',
      'Link',
      '<https://localhost:8443/acme/default/directory>;rel="index"',
      'Cache-Control',
      'no-store',
      'Content-Type',
      'application/json',
      'Content-Length',
      String(ANSWER.length),
    ])
    response.end(ANSWER)
  })
})
server.listen(0, '127.0.0.1', () => process.stdout.write(`${(server.address() as AddressInfo).port}\n`))
process.stdin.on('end', () => process.exit()).resume()

function isSigned(publicKey: KeyObject): boolean {
  return verify('sha256', signingInput, { key: publicKey, dsaEncoding: 'ieee-p1363' }, signature)
}
