import assert from 'node:assert/strict'
import { test } from 'node:test'
import { generateTestKey } from '../../test/support/test-keys.ts'
import {
  SAMPLE_NOT_AFTER,
  SAMPLE_NOT_BEFORE,
  type SampleCa,
  type SampleOptions,
  sampleCa,
  sampleLeaf,
} from '../../test/support/x509-samples.ts'
import { type ParsedCertificate, parseCertificate } from './certificate.ts'
import * as extensions from './extensions.ts'
import { buildName } from './name.ts'
import { OID } from './oids.ts'
import { checkCertificatePath } from './path.ts'

const root = sampleCa('Root')
const issuing = sampleCa('Issuing', { issuer: root, pathLen: 0 })
const at = new Date('2026-04-01T00:00:00Z')

const leafOf = (issuer: SampleCa, options?: SampleOptions, names = ['a.example.test']): ParsedCertificate =>
  parseCertificate(sampleLeaf(issuer, names, options))

const faults = (path: readonly ParsedCertificate[], options: { at?: Date; purpose?: string } = {}): string =>
  checkCertificatePath(path, { at, anchors: [root.certificate], ...options }).join('; ')

const leaf = leafOf(issuing)
const good = [leaf, issuing.certificate, root.certificate]

/** A CA with other extensions than it should have, and a leaf of it. */
function under(...own: Buffer[]): ParsedCertificate[] {
  const ca = sampleCa('Odd', { issuer: root, extensions: [...own, extensions.authorityKeyIdentifier(root.keyId)] })
  return [leafOf(ca), ca.certificate, root.certificate]
}

const CA = extensions.basicConstraints({ ca: true })
const SIGNS = extensions.keyUsage(['keyCertSign', 'cRLSign'])

test('a path of leaf, issuing CA and trusted root holds, for its purpose', () => {
  assert.equal(faults(good), '')
  assert.equal(faults(good, { purpose: OID.serverAuth }), '')
  assert.equal(faults(under(CA, SIGNS)), '')
  assert.equal(faults([root.certificate]), '')
})

test('KF-C20 a leaf is never taken for a CA, with or without basicConstraints', () => {
  const key = generateTestKey()
  const stolen = leafOf(issuing, { key })
  const asCa: SampleCa = { key, keyId: stolen.subjectKeyId ?? Buffer.alloc(0), certificate: stolen }
  const forged = leafOf({ ...asCa, certificate: { ...stolen, subjectDer: buildName([]) } }, {}, ['bank.example.test'])
  assert.match(
    faults([forged, stolen, issuing.certificate, root.certificate]),
    /it is not a CA certificate.*may not sign certificates/,
  )
  assert.match(faults(under(SIGNS)), /it is not a CA certificate/)
  assert.match(faults(under(extensions.basicConstraints({ ca: false }), SIGNS)), /it is not a CA certificate/)
})

test('KF-C20 a CA whose keyUsage is absent or lacks keyCertSign signs nothing', () => {
  assert.match(faults(under(CA)), /may not sign certificates/)
  assert.match(faults(under(CA, extensions.keyUsage(['digitalSignature', 'cRLSign']))), /may not sign certificates/)
})

test('KF-C19 the path length counts the CAs below, the leaf and self-issued ones apart', () => {
  const below = sampleCa('Below', { issuer: issuing })
  assert.match(
    faults([leafOf(below), below.certificate, issuing.certificate, root.certificate]),
    /more than 0 CA certificates/,
  )
  const renewed = sampleCa('Issuing', { issuer: issuing })
  assert.equal(faults([leafOf(renewed), renewed.certificate, issuing.certificate, root.certificate]), '')
})

test('KF-C19 name constraints bind every certificate below', () => {
  const limits = extensions.nameConstraints({ permitted: { dns: ['example.test'], ip: [] } })
  const limited = sampleCa('Limited', { issuer: root, more: [limits] })
  const below = sampleCa('Below', { issuer: limited })
  const path = (name: string): ParsedCertificate[] => [
    leafOf(below, {}, [name]),
    below.certificate,
    limited.certificate,
    root.certificate,
  ]
  assert.equal(faults(path('a.example.test')), '')
  assert.match(faults(path('a.other.test')), /certificate 3 .*not within the permitted/)
})

test('KF-C19 a purpose must be allowed by every certificate that limits purposes', () => {
  assert.match(faults(good, { purpose: OID.clientAuth }), /certificate 1 .*not for the purpose clientAuth/)
  const limited = sampleCa('Limited', { issuer: root, more: [extensions.extendedKeyUsage([OID.clientAuth])] })
  assert.match(
    faults([leafOf(limited), limited.certificate, root.certificate], { purpose: OID.serverAuth }),
    /certificate 2 .*serverAuth/,
  )
})

test('KF-C19 both bounds of the lifetime belong to it, to the second', () => {
  const plus = (date: Date, ms: number): Date => new Date(date.getTime() + ms)
  assert.equal(faults(good, { at: SAMPLE_NOT_BEFORE }), '')
  assert.equal(faults(good, { at: SAMPLE_NOT_AFTER }), '')
  assert.equal(faults(good, { at: plus(SAMPLE_NOT_AFTER, 999) }), '')
  assert.match(faults(good, { at: plus(SAMPLE_NOT_AFTER, 1000) }), /expired/)
  assert.match(faults(good, { at: plus(SAMPLE_NOT_BEFORE, -1) }), /not valid yet/)
})

test('an unknown critical extension refuses the path, anywhere', () => {
  const odd = extensions.extension('1.2.3.4', true, Buffer.of(5, 0))
  assert.match(faults([leafOf(issuing, { more: [odd] }), ...good.slice(1)]), /unknown critical extension: 1\.2\.3\.4/)
  assert.match(faults(under(CA, SIGNS, odd)), /certificate 2 .*unknown critical/)
})

test('a path with a foreign, missing, reordered or forged link is refused', () => {
  const stranger = sampleCa('Root')
  const twin = sampleCa('Issuing', { issuer: root })
  const forgedSignature = parseCertificate(Buffer.from(leaf.der))
  forgedSignature.tbsDer[forgedSignature.tbsDer.length - 1] = (forgedSignature.tbsDer.at(-1) ?? 0) ^ 1
  assert.match(faults([leaf, issuing.certificate, stranger.certificate]), /not end in a trusted certificate/)
  assert.match(faults([leaf, issuing.certificate]), /not end in a trusted certificate/)
  assert.match(faults([leaf, root.certificate]), /issuer is not the subject/)
  assert.match(faults([issuing.certificate, leaf, root.certificate]), /issuer is not the subject/)
  assert.match(faults([leaf, twin.certificate, root.certificate]), /authority key identifier/)
  assert.match(faults([forgedSignature, issuing.certificate, root.certificate]), /signature was not made/)
  assert.match(faults([]), /empty/)
  assert.match(faults(new Array<ParsedCertificate>(9).fill(root.certificate)), /more than 8/)
})
