import { X509Certificate } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { decodePem } from '../../../src/lib/pem.ts'
import { findProgram, run } from '../../support/program.ts'
import type { OutsideRecord } from './record.ts'

/** Certificates to one call. */
const BATCH = 500

/**
 * Verifies every acknowledged certificate, and the newest list, with the certificates that were handed out beside
 * them: by the crypto library of this process, and by the program `openssl` where there is one.
 *
 * @returns who judged
 */
export async function verifyAll(
  record: OutsideRecord,
  options: { readonly rootPem: string; readonly folder: string },
): Promise<string> {
  const certificates = [...record.certificates.values()]
  for (const { pem, serial } of certificates) {
    const [leaf, issuer] = decodePem(pem).map(({ der }) => new X509Certificate(der))
    if (leaf === undefined || issuer === undefined || !leaf.verify(issuer.publicKey))
      record.violation('certificates', `${serial} is not signed by the CA beside it`)
  }
  const openssl = findProgram('openssl')
  const [first] = certificates
  if (openssl === undefined || first === undefined) return 'the crypto library of Node.js'

  const folder = join(options.folder, 'acknowledged')
  await mkdir(folder, { recursive: true })
  const root = join(folder, 'root.pem')
  const issuer = join(folder, 'issuer.pem')
  await writeFile(root, options.rootPem)
  await writeFile(issuer, first.pem.slice(first.pem.indexOf('-----BEGIN', 1)))
  for (let start = 0; start < certificates.length; start += BATCH) {
    const files = await Promise.all(
      certificates.slice(start, start + BATCH).map(async ({ pem, serial }) => {
        const file = join(folder, `${serial}.pem`)
        await writeFile(file, pem)
        return file
      }),
    )
    const said = await run(openssl, ['verify', '-x509_strict', '-CAfile', root, '-untrusted', issuer, ...files])
    const good = said.stdout.split('\n').filter((line) => line.endsWith(': OK')).length
    if (said.code !== 0 || good !== files.length)
      record.violation('certificates', `openssl verified ${good} of ${files.length}: ${said.stderr.slice(0, 1000)}`)
  }
  const newest = [...record.crls.entries()].sort(([a], [b]) => (a < b ? 1 : -1))[0]
  if (newest !== undefined) {
    const file = join(folder, 'newest.crl')
    await writeFile(file, newest[1])
    const said = await run(openssl, ['crl', '-inform', 'DER', '-in', file, '-CAfile', issuer, '-noout'])
    if (!/verify OK/i.test(said.stderr + said.stdout))
      record.violation('revocation', `openssl refuses list ${newest[0]}: ${said.stderr}`)
  }
  return (await run(openssl, ['version'])).stdout.trim()
}
