import { get } from 'node:http'
import { parseCertList } from '../../../src/x509/crl-reader.ts'
import type { Gate } from './gate.ts'
import { pause } from './patient-client.ts'
import type { OutsideRecord } from './record.ts'

const EVERY_MS = 150

/** Fetches the list again and again, and puts each new one into the record, which compares it with those before. */
export async function watchCrl(
  parts: { readonly gate: Gate; readonly record: OutsideRecord; readonly replicas: number },
  isOver: () => boolean,
): Promise<void> {
  while (!isOver()) {
    await look(parts)
    await pause(EVERY_MS)
  }
}

async function look({
  gate,
  record,
  replicas,
}: {
  readonly gate: Gate
  readonly record: OutsideRecord
  readonly replicas: number
}): Promise<void> {
  const life = gate.current
  const url = crlUrl(record)
  if (life === undefined || url === undefined) return
  const der = await fetchBytes(life.server.urls.publicHttp + new URL(url).pathname).catch(() => undefined)
  if (der === undefined) return
  const crl = parseCertList(der)
  const entries = new Map([...crl.entries()].map(({ serial, reason }) => [serial, reason]))
  record.crl(crl.number, der, entries, replicas === 1 ? 'the server' : `life ${life.number}`)
}

/** Where the certificates say that the list is. */
function crlUrl({ certificates }: OutsideRecord): string | undefined {
  const [first] = certificates.values()
  return first && /http:\/\/[\w./-]+?\.crl/.exec(first.der.toString('latin1'))?.[0]
}

/** Undefined for an answer that is none, as from a server that dies meanwhile. */
function fetchBytes(url: string): Promise<Buffer | undefined> {
  return new Promise((resolve, reject) => {
    get(url, { agent: false }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', reject)
      response.on('aborted', () => resolve(undefined))
      response.on('end', () => resolve(response.statusCode === 200 ? Buffer.concat(chunks) : undefined))
    }).on('error', reject)
  })
}
