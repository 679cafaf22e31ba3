import { parseCertList } from '../../src/x509/crl-reader.ts'
import type { Journey } from './acme-journey.ts'

/** Number of the CRL that the first issuer of a server publishes now. */
export async function crlNumber({ chancery }: Journey): Promise<bigint> {
  const issuer = [...chancery.running.issuers.values()][0]
  const reply = await fetch(`${chancery.urls.publicHttp}/crl/${issuer?.id}.crl`)
  return parseCertList(Buffer.from(await reply.arrayBuffer())).number
}
