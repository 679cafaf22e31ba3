import { createPublicKey, type KeyObject, sign, verify } from 'node:crypto'
import { get } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { DatabaseSync } from 'node:sqlite'
import { TEST_TLS } from '../test/support/self-signed.ts'
import { generateTestKey, signJws } from '../test/support/test-keys.ts'

// The least that a server on this runtime can do, with no ACME, policy, DER, audit or log around it. Any request: read it
// over TLS, parse its JSON, verify one signature, answer as many headers as an ACME answer has. And what an issuance needs
// besides: `/order` makes a row durable; `/proof` fetches a proof over HTTP and makes a row durable; `/certificate` verifies
// a second signature, by a key it has to read, signs, and makes a row durable. Writes of one turn of the loop share a commit.
// Arguments: the database file, the URL of the proof. Prints its port, and ends with its standard input.
const [file = ':memory:', proofUrl = ''] = process.argv.slice(2)
const key = generateTestKey('ES256')
const message = 'x'.repeat(300)
const signature = signJws(key, message)
const signingInput = Buffer.from(message)
const ANSWER = JSON.stringify({ status: 'valid', filler: 'y'.repeat(300) })
/** As long as a certificate to be signed. */
const TBS = Buffer.alloc(600, 7)

const database = new DatabaseSync(file)
database.exec(
  'PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE rows (id INTEGER PRIMARY KEY, bytes BLOB)',
)
const insert = database.prepare('INSERT INTO rows (bytes) VALUES (?)')
const begin = database.prepare('BEGIN IMMEDIATE')
const commit = database.prepare('COMMIT')
let waiting: (() => void)[] = []

const server = createServer(TEST_TLS, (request, response) => {
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.on('end', async () => {
    JSON.parse(Buffer.concat(chunks).toString())
    const isGood = isSigned(key.publicKey)
    await work(request.url)
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

async function work(path: string | undefined): Promise<void> {
  if (path === '/order') return keep(signingInput)
  if (path === '/proof') return keep(await fetchProof())
  if (path !== '/certificate') return
  isSigned(createPublicKey({ key: key.spkiDer, format: 'der', type: 'spki' }))
  return keep(Buffer.concat([TBS, sign('sha256', TBS, key.privateKey)]))
}

/** Resolves once the bytes are on the disk. */
function keep(bytes: Buffer): Promise<void> {
  return new Promise((resolve) => {
    if (waiting.length === 0) {
      begin.run()
      setImmediate(() => {
        commit.run()
        for (const tell of waiting) tell()
        waiting = []
      })
    }
    insert.run(bytes)
    waiting.push(resolve)
  })
}

function fetchProof(): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const asked = get(proofUrl, { agent: false }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('end', () => resolve(Buffer.concat(chunks)))
    })
    asked.on('error', reject)
  })
}

function isSigned(publicKey: KeyObject): boolean {
  return verify('sha256', signingInput, { key: publicKey, dsaEncoding: 'ieee-p1363' }, signature)
}
