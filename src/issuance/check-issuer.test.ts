import assert from 'node:assert/strict'
import { test } from 'node:test'
import { makeTestAuthority } from '../../test/support/test-authority.ts'
import { sampleCa, sampleLeaf, signSample } from '../../test/support/x509-samples.ts'
import { encodePem } from '../lib/pem.ts'
import { generateKey } from '../signer/software.ts'
import { parseCertificate } from '../x509/certificate.ts'
import { extension } from '../x509/extension.ts'
import { basicConstraints, keyUsage, subjectKeyIdentifier } from '../x509/extensions.ts'
import { buildTbsCertificate } from '../x509/tbs-certificate.ts'
import { checkIssuer } from './check-issuer.ts'
import { chainToServe, type Issuer, loadIssuer } from './issuer.ts'

const now = new Date('2026-03-01T12:00:00Z')
const authority = await makeTestAuthority({ now })
const { issuer } = authority
const [ca, root] = issuer.chain
assert.ok(ca && root)
const pem = (...ders: readonly Buffer[]): string => ders.map((der) => encodePem('CERTIFICATE', der)).join('')

async function problems(change: Partial<Issuer>, at = now): Promise<string> {
  return (await checkIssuer({ ...issuer, ...change }, at)).join('\n')
}

test('an issuer as the ceremonies make it has no problems', async () => {
  assert.deepEqual(await checkIssuer(issuer, now), [])
})

test('KF-G08 a key that is not the one of the certificate is found, by its public half and by a trial signature', async () => {
  const { signingKey } = await generateKey('P-256')
  assert.match(await problems({ key: signingKey }), /does not belong to its certificate/)
  // A backend that claims the right public key and signs with another.
  assert.match(
    await problems({ key: { ...issuer.key, sign: (message) => signingKey.sign(message) } }),
    /trial signature does not verify/,
  )
  const away = { ...issuer.key, sign: () => Promise.reject(new Error('no token in the slot')) }
  assert.match(await problems({ key: away }), /cannot sign: no token in the slot/)
})

test('KF-C19 each limit of a CA certificate is checked', async () => {
  const chains: readonly (readonly [RegExp, Issuer['chain']])[] = [
    [/not a CA certificate/, [{ ...ca, basicConstraints: { ca: false } }, root]],
    [/may not sign certificates/, [{ ...ca, keyUsage: new Set(['cRLSign'] as const) }, root]],
    [/may not sign CRLs/, [{ ...ca, keyUsage: new Set(['keyCertSign'] as const) }, root]],
    [/allows 0 CA certificates below it, there are 1/, [ca, { ...root, basicConstraints: { ca: true, pathLen: 0 } }]],
    [/names another issuer/, [{ ...ca, issuerDer: ca.subjectDer }, root]],
    [/subjectKeyIdentifier/, [{ ...ca, authorityKeyId: Buffer.alloc(20) }, root]],
  ]
  for (const [message, chain] of chains) {
    assert.match(await problems({ certificate: chain[0] ?? ca, chain }), message)
  }
  assert.match(await problems({}, new Date('2040-01-01T00:00:00Z')), /expired at/)
  assert.match(await problems({}, new Date('2020-01-01T00:00:00Z')), /not valid before/)
})

test('KF-C20 a leaf without basicConstraints, and one that only looks like a CA, are no issuers', async () => {
  const parent = sampleCa('Sample Root')
  const leaf = parseCertificate(sampleLeaf(parent, ['a.test']))
  assert.match(await problems({ certificate: leaf, chain: [leaf, parent.certificate] }), /not a CA certificate/)
  const { basicConstraints: _, ...without } = ca
  assert.match(await problems({ certificate: without, chain: [without, root] }), /not a CA certificate/)
})

test('KF-C20 a chain whose certificates did not sign each other is refused', async () => {
  const other = await makeTestAuthority({ now, seed: 'other' })
  const impostor = other.issuer.chain[1]
  assert.ok(impostor)
  // The same name and key identifier as the real root, and another key.
  const chain = [
    ca,
    {
      ...impostor,
      subjectDer: root.subjectDer,
      issuerDer: root.issuerDer,
      subjectKeyId: root.subjectKeyId ?? Buffer.alloc(0),
    },
  ]
  assert.match(await problems({ chain }), /is not signed by the certificate that follows it/)
})

test('KF-C14 a chain that is signed in a way that is never believed is told so, and what to have instead', async () => {
  const names = { '1.2.840.113549.1.1.5': 'sha1WithRSAEncryption', '1.2.840.113549.1.1.10': 'rsassaPss' }
  for (const [signatureAlgorithmOid, name] of Object.entries(names)) {
    const told = await problems({ chain: [ca, { ...root, signatureAlgorithmOid }] })
    assert.match(told, new RegExp(`certificate 2 of the chain .* is signed with ${name} .* have it signed with ECDSA`))
    assert.doesNotMatch(told, /follows it/)
  }
  const broken = Buffer.from(root.signature)
  broken[broken.length - 1] = (broken.at(-1) ?? 0) ^ 1
  assert.match(await problems({ chain: [ca, { ...root, signature: broken }] }), /is not signed by its own key/)
})

test('a critical extension that is not understood forbids the use of a CA certificate', async () => {
  const odd = sampleCa('Odd', { more: [extension('1.2.3.4', true, Buffer.of(5, 0))] }).certificate
  assert.match(await problems({ certificate: odd, chain: [odd] }), /critical extension 1\.2\.3\.4/)
})

test('KF-C22 addresses that go into certificates must be absolute plain http', async () => {
  for (const url of [
    '',
    '/crl',
    'ca.test/crl',
    'https://ca.test/crl',
    'ldap://ca.test/',
    'http://user:pw@ca.test/',
    'http://ca.test/#x',
    'http://ca.test/ä',
    'http://ca.test/a b',
  ]) {
    assert.match(await problems({ crlUrl: url }), /the CRL address/, url)
    assert.match(await problems({ caIssuersUrl: url }), /the issuer certificate address/, url)
  }
  assert.equal(await problems({ crlUrl: 'http://10.0.0.1:8080/crl/x.crl' }), '')
})

test('an issuer is read from its files; what is not a chain of certificates is refused', () => {
  const source = {
    name: 'default',
    key: issuer.key,
    chainPem: pem(ca.der),
    crlUrl: 'http://ca.test/c',
    caIssuersUrl: 'http://ca.test/i',
  }
  const loaded = loadIssuer({ ...source, rootPem: pem(root.der) })
  assert.equal(loaded.id, ca.subjectKeyId?.toString('hex'))
  assert.deepEqual(
    loaded.chain.map(({ serialHex }) => serialHex),
    [ca.serialHex, root.serialHex],
  )
  assert.deepEqual(loadIssuer({ ...source, chainPem: pem(ca.der, root.der), rootPem: pem(root.der) }).chain.length, 2)
  for (const chainPem of [
    '',
    'x',
    pem(ca.der).replaceAll('CERTIFICATE', 'PRIVATE KEY'),
    encodePem('CERTIFICATE', Buffer.from('3000', 'hex')),
  ]) {
    assert.throws(() => loadIssuer({ ...source, chainPem }), { code: 'ISSUER_UNFIT' })
  }
  assert.throws(() => loadIssuer({ ...source, rootPem: pem(root.der, ca.der) }), /exactly one certificate/)
  assert.throws(() => loadIssuer({ ...source, alternates: [pem(root.der)] }), /another CA/)
})

test('CQ-C01 an alternate chain is served without its root, and one whose certificates do not belong together is refused', async () => {
  const source = { name: 'default', key: issuer.key, crlUrl: 'http://ca.test/c', caIssuersUrl: 'http://ca.test/i' }
  const load = (...ders: Buffer[]) => loadIssuer({ ...source, chainPem: pem(ca.der), alternates: [pem(...ders)] })
  assert.deepEqual(load(ca.der, root.der).alternateChainsDer, [[ca.der]])
  assert.deepEqual(load(ca.der).alternateChainsDer, [[ca.der]])
  const foreign = (await makeTestAuthority({ seed: 'foreign', name: 'foreign' })).root.certificateDer
  assert.throws(
    () => load(ca.der, foreign),
    /certificate 1 of an alternate chain is not signed by the one that follows/,
  )
})

test('CQ-C01 an alternate chain in which no client would find the issuer of a leaf is refused, saying why', () => {
  const foreign = sampleCa('Foreign Root')
  const cross = (extensions: readonly Buffer[]): Buffer =>
    signSample(
      buildTbsCertificate({
        serial: Buffer.of(0x5a, 1),
        signatureAlgorithm: 'ecdsa-with-SHA256',
        issuerNameDer: foreign.certificate.subjectDer,
        notBefore: ca.notBefore,
        notAfter: ca.notAfter,
        subjectNameDer: ca.subjectDer,
        spkiDer: ca.publicKey.der,
        extensions,
      }),
      foreign.key,
    )
  const isCa = [basicConstraints({ ca: true, pathLen: 0 }), keyUsage(['keyCertSign', 'cRLSign'])]
  const keyId = ca.subjectKeyId ?? Buffer.alloc(0)
  const source = { name: 'default', key: issuer.key, crlUrl: 'http://ca.test/c', caIssuersUrl: 'http://ca.test/i' }
  const load = (...ders: Buffer[]) => loadIssuer({ ...source, chainPem: pem(ca.der), alternates: [pem(...ders)] })
  const good = cross([...isCa, subjectKeyIdentifier(keyId)])
  assert.deepEqual(load(good, foreign.certificate.der).alternateChainsDer, [[good]])
  assert.throws(
    () => load(cross([...isCa, subjectKeyIdentifier(Buffer.alloc(20, 7))]), foreign.certificate.der),
    new RegExp(`another subjectKeyIdentifier .* certified with ${keyId.toString('hex')}`),
  )
  assert.throws(() => load(cross([subjectKeyIdentifier(keyId)]), foreign.certificate.der), /not a CA certificate/)
})

test('CQ-C01 there is always a certificate to send after the leaf, and a root only when it issues itself', () => {
  assert.deepEqual(chainToServe(issuer), [ca.der])
  assert.deepEqual(chainToServe({ chain: [root] }), [root.der])
})
