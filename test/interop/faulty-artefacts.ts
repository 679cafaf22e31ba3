import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { newSerial } from '../../src/issuance/serial.ts'
import { encodePem } from '../../src/lib/pem.ts'
import { systemRandom } from '../../src/lib/random.ts'
import { signatureAlgorithmDer } from '../../src/x509/algorithm-identifier.ts'
import { contextConstructed, integer, sequence, time } from '../../src/x509/asn1/writer.ts'
import {
  authorityKeyIdentifier,
  basicConstraints,
  crlNumber,
  extendedKeyUsage,
  keyUsage,
  subjectAltName,
  subjectKeyIdentifier,
} from '../../src/x509/extensions.ts'
import { buildName } from '../../src/x509/name.ts'
import { OID } from '../../src/x509/oids.ts'
import { parseSubjectPublicKey } from '../../src/x509/spki.ts'
import { assembleSigned, buildTbsCertificate } from '../../src/x509/tbs-certificate.ts'
import { makeTestAuthority, type TestAuthority } from '../support/test-authority.ts'
import { generateTestKey } from '../support/test-keys.ts'
import type { Artefact } from './artefacts.ts'

/** A test authority of today, whose issuing CA is bound to *.test, *.internal, 10.0.0.0/8 and fd00::/8. */
export const authorityOfToday = (): Promise<TestAuthority> => makeTestAuthority({ now: new Date() })

/** A leaf that none of our rules has seen, signed with the key of the issuing CA. */
export async function signBlindly(
  { issuer }: TestAuthority,
  options: { readonly dns: string; readonly sanCritical: boolean },
): Promise<Buffer> {
  const { keyId, der } = parseSubjectPublicKey(generateTestKey().spkiDer)
  const now = Math.floor(Date.now() / 1000) * 1000
  const tbs = buildTbsCertificate({
    serial: newSerial(systemRandom),
    signatureAlgorithm: issuer.key.algorithm,
    issuerNameDer: issuer.certificate.subjectDer,
    notBefore: new Date(now - 60_000),
    notAfter: new Date(now + 3600_000),
    subjectNameDer: buildName([]),
    spkiDer: der,
    extensions: [
      basicConstraints({ ca: false }),
      keyUsage(['digitalSignature']),
      extendedKeyUsage([OID.serverAuth]),
      subjectKeyIdentifier(keyId),
      authorityKeyIdentifier(issuer.certificate.subjectKeyId ?? Buffer.alloc(0)),
      subjectAltName([{ type: 'dns', value: options.dns }], options.sanCritical),
    ],
  })
  return assembleSigned(tbs, issuer.key.algorithm, await issuer.key.sign(tbs))
}

/** What a linter must not let pass: an empty subject without a critical SAN, and a CRL that does not say when the next comes. */
export async function writeFaultyArtefacts(folder: string): Promise<{ certificate: Artefact; crl: Artefact }> {
  const authority = await authorityOfToday()
  const { issuer } = authority
  const certificateDer = await signBlindly(authority, { dns: 'www.corp.test', sanCritical: false })
  const tbsCrl = sequence(
    integer(1),
    signatureAlgorithmDer(issuer.key.algorithm),
    issuer.certificate.subjectDer,
    time(new Date(Math.floor(Date.now() / 1000) * 1000)),
    contextConstructed(
      0,
      sequence(authorityKeyIdentifier(issuer.certificate.subjectKeyId ?? Buffer.alloc(0)), crlNumber(1n)),
    ),
  )
  const crlDer = assembleSigned(tbsCrl, issuer.key.algorithm, await issuer.key.sign(tbsCrl))
  return {
    certificate: await keep(folder, 'leaf', 'CERTIFICATE', certificateDer),
    crl: await keep(folder, 'crl', 'X509 CRL', crlDer),
  }
}

async function keep(folder: string, kind: 'leaf' | 'crl', block: string, der: Buffer): Promise<Artefact> {
  const path = join(folder, `faulty-${kind}.pem`)
  await writeFile(path, encodePem(block, der))
  return { label: `faulty ${kind}`, kind, path, der, issuer: undefined }
}
