import { sign } from 'node:crypto'
import { SIGNATURE_ALGORITHMS, type SignatureAlgorithmName } from '../../src/x509/algorithms.ts'
import { type ParsedCertificate, parseCertificate } from '../../src/x509/certificate.ts'
import * as extensions from '../../src/x509/extensions.ts'
import { buildName } from '../../src/x509/name.ts'
import { OID } from '../../src/x509/oids.ts'
import { parseSubjectPublicKey } from '../../src/x509/spki.ts'
import { assembleSigned, buildTbsCertificate, type TbsFields } from '../../src/x509/tbs-certificate.ts'
import { generateTestKey, type TestAlgorithm, type TestKey } from './test-keys.ts'

const SIGNATURE_OF: Readonly<Record<TestAlgorithm, SignatureAlgorithmName>> = {
  ES256: 'ecdsa-with-SHA256',
  ES384: 'ecdsa-with-SHA384',
  ES512: 'ecdsa-with-SHA512',
  RS256: 'sha256WithRSAEncryption',
  EdDSA: 'Ed25519',
}

export function signatureNameOf(key: TestKey): SignatureAlgorithmName {
  return SIGNATURE_OF[key.algorithm]
}

/** Signs anything that `assembleSigned` puts together. */
export function signSample(tbs: Buffer, key: TestKey): Buffer {
  const name = signatureNameOf(key)
  return assembleSigned(tbs, name, sign(SIGNATURE_ALGORITHMS[name].hash, tbs, key.privateKey))
}

export interface SampleCa {
  readonly key: TestKey
  readonly keyId: Buffer
  readonly certificate: ParsedCertificate
}

export interface SampleOptions {
  readonly key?: TestKey
  readonly issuer?: SampleCa
  readonly subjectNameDer?: Buffer
  /** Replaces the extensions of the kind of certificate altogether. */
  readonly extensions?: readonly Buffer[]
  /** Appended to them. */
  readonly more?: readonly Buffer[]
  readonly fields?: Partial<TbsFields>
}

export const SAMPLE_NOT_BEFORE = new Date('2026-03-01T00:00:00Z')
export const SAMPLE_NOT_AFTER = new Date('2026-05-29T23:59:59Z')

/** A CA certificate, self-signed without `issuer`. */
export function sampleCa(name: string, options: SampleOptions & { pathLen?: number } = {}): SampleCa {
  const key = options.key ?? generateTestKey()
  const { keyId } = parseSubjectPublicKey(key.spkiDer)
  const own = [
    extensions.basicConstraints({ ca: true, ...(options.pathLen === undefined ? {} : { pathLen: options.pathLen }) }),
    extensions.keyUsage(['keyCertSign', 'cRLSign']),
    extensions.subjectKeyIdentifier(keyId),
    ...(options.issuer === undefined ? [] : [extensions.authorityKeyIdentifier(options.issuer.keyId)]),
  ]
  const subjectNameDer = options.subjectNameDer ?? buildName([{ type: 'CN', value: name }])
  const der = signTbs(key, own, { ...options, subjectNameDer })
  return { key, keyId, certificate: parseCertificate(der) }
}

/** A TLS server certificate; without a subjectAltName when there are no names. */
export function sampleLeaf(issuer: SampleCa, dnsNames: readonly string[], options: SampleOptions = {}): Buffer {
  const key = options.key ?? generateTestKey()
  const subjectNameDer = options.subjectNameDer ?? buildName([])
  const names = dnsNames.map((value) => ({ type: 'dns' as const, value }))
  const own = [
    extensions.basicConstraints({ ca: false }),
    extensions.keyUsage(['digitalSignature']),
    extensions.extendedKeyUsage([OID.serverAuth]),
    extensions.subjectKeyIdentifier(parseSubjectPublicKey(key.spkiDer).keyId),
    extensions.authorityKeyIdentifier(issuer.keyId),
    ...(names.length === 0 ? [] : [extensions.subjectAltName(names, subjectNameDer.length === 2)]),
  ]
  return signTbs(key, own, { ...options, issuer, subjectNameDer })
}

function signTbs(key: TestKey, own: readonly Buffer[], options: SampleOptions & { subjectNameDer: Buffer }): Buffer {
  const signer = options.issuer?.key ?? key
  const tbs = buildTbsCertificate({
    serial: Buffer.from('5f00112233445566778899aabbccddee', 'hex'),
    signatureAlgorithm: signatureNameOf(signer),
    issuerNameDer: options.issuer?.certificate.subjectDer ?? options.subjectNameDer,
    notBefore: SAMPLE_NOT_BEFORE,
    notAfter: SAMPLE_NOT_AFTER,
    subjectNameDer: options.subjectNameDer,
    spkiDer: key.spkiDer,
    extensions: [...(options.extensions ?? own), ...(options.more ?? [])],
    ...options.fields,
  })
  return signSample(tbs, signer)
}
