import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PROFILE } from '../../../test/support/order-facts.ts'
import { makeTestAuthority } from '../../../test/support/test-authority.ts'
import { generateTestKey } from '../../../test/support/test-keys.ts'
import { contextPrimitive, element, integer, octetString, sequence } from '../../x509/asn1/writer.ts'
import { parseTbsCertificate } from '../../x509/certificate.ts'
import { extension } from '../../x509/extension.ts'
import * as extensions from '../../x509/extensions.ts'
import { buildName } from '../../x509/name.ts'
import { OID } from '../../x509/oids.ts'
import { parseSubjectPublicKey } from '../../x509/spki.ts'
import { buildTbsCertificate, type TbsFields } from '../../x509/tbs-certificate.ts'
import type { Lint, LintContext } from '../lint.ts'
import { runLints } from '../lint.ts'
import { LINTS } from './index.ts'

const { issuer } = await makeTestAuthority()
const now = new Date('2026-03-01T12:00:00Z')
const context: LintContext = { issuer, profile: { ...PROFILE, maxLifetimeSeconds: 86_400 }, now }
const key = parseSubjectPublicKey(generateTestKey().spkiDer)
const rsa = parseSubjectPublicKey(generateTestKey('RS256').spkiDer)

const EXTENSIONS = {
  basicConstraints: extensions.basicConstraints({ ca: false }),
  keyUsage: extensions.keyUsage(['digitalSignature']),
  extKeyUsage: extensions.extendedKeyUsage([OID.serverAuth]),
  subjectKeyIdentifier: extensions.subjectKeyIdentifier(key.keyId),
  authorityKeyIdentifier: extensions.authorityKeyIdentifier(issuer.certificate.subjectKeyId ?? Buffer.alloc(0)),
  authorityInfoAccess: extensions.authorityInfoAccess({ caIssuers: issuer.caIssuersUrl }),
  subjectAltName: extensions.subjectAltName([{ type: 'dns', value: 'www.corp.test' }], true),
  crlDistributionPoints: extensions.crlDistributionPoints(issuer.crlUrl),
}

interface Change {
  readonly fields?: Partial<TbsFields>
  /** Replaced, or with `undefined` left out. */
  readonly extensions?: Partial<Record<keyof typeof EXTENSIONS, Buffer | undefined>>
  readonly more?: readonly Buffer[]
}

function tbs(change: Change = {}): Buffer {
  const chosen: Record<string, Buffer | undefined> = { ...EXTENSIONS, ...change.extensions }
  return buildTbsCertificate({
    serial: Buffer.from(`5a${'11'.repeat(16)}`, 'hex'),
    signatureAlgorithm: 'ecdsa-with-SHA256',
    issuerNameDer: issuer.certificate.subjectDer,
    notBefore: new Date('2026-03-01T11:55:00Z'),
    notAfter: new Date('2026-03-02T11:54:59Z'),
    subjectNameDer: buildName([]),
    spkiDer: key.der,
    extensions: [...Object.values(chosen).filter((value) => value !== undefined), ...(change.more ?? [])],
    ...change.fields,
  })
}

function findings(tbsDer: Buffer, overrides: Partial<LintContext> = {}): string[] {
  return runLints(LINTS, parseTbsCertificate(tbsDer), { ...context, ...overrides }).map(({ lint }) => lint)
}

const sanOf = (...names: readonly Buffer[]): Buffer => extension(OID.subjectAltName, true, sequence(...names))
const dns = (value: string): Buffer => contextPrimitive(2, Buffer.from(value))
const uri = (value: string): Buffer => contextPrimitive(6, Buffer.from(value))
const email = (value: string): Buffer => contextPrimitive(1, Buffer.from(value))
const cn = (value: string): Buffer => buildName([{ type: 'CN', value }])

test('a certificate as we build it has no findings', () => {
  assert.deepEqual(findings(tbs()), [])
})

test('paths of URIs and addresses before the @ that differ in case are different names', () => {
  assert.deepEqual(
    findings(tbs({ extensions: { subjectAltName: sanOf(uri('https://a.test/Shop'), uri('https://a.test/shop')) } })),
    [],
  )
  const mail = tbs({ extensions: { subjectAltName: sanOf(email('Ann@a.test'), email('ann@a.test')) } })
  assert.ok(!findings(mail).includes('san-duplicates'))
})

/** For each rule, certificates that break it. Each must be found by that rule; others may speak up too. */
const broken: Readonly<Record<string, readonly Change[]>> = {
  'serial-shape': [
    { fields: { serial: Buffer.from('11'.repeat(8), 'hex') } },
    { fields: { serial: Buffer.of(1) } },
    { fields: { serial: Buffer.from(`00${'ff'.repeat(16)}`, 'hex') } },
  ],
  'signature-algorithm': [
    { fields: { signatureAlgorithm: 'sha256WithRSAEncryption' } },
    { fields: { signatureAlgorithm: 'ecdsa-with-SHA384' } },
  ],
  'issuer-name-bytes': [
    { fields: { issuerNameDer: cn('Test Issuing CA default') } },
    { fields: { issuerNameDer: printable(issuer.certificate.subjectDer) } },
  ],
  'validity-length': [
    { fields: { notAfter: new Date('2026-03-02T11:55:00Z') } },
    { fields: { notAfter: new Date('2026-03-01T11:54:00Z') } },
  ],
  'validity-nesting': [
    { fields: { notBefore: new Date('2020-01-01T00:00:00Z') } },
    { fields: { notAfter: new Date('2030-01-01T00:00:00Z') } },
    { fields: { notBefore: new Date('2026-03-01T11:00:00Z'), notAfter: now } },
  ],
  'validity-backdating': [{ fields: { notBefore: new Date('2026-02-27T10:59:00Z') } }],
  'subject-is-san': [
    { fields: { subjectNameDer: cn('other.corp.test') } },
    { fields: { subjectNameDer: cn('WWW.corp.test') } },
    { fields: { subjectNameDer: buildName([{ type: 'O', value: 'Corp' }]) } },
    {
      fields: {
        subjectNameDer: buildName([
          { type: 'O', value: 'Corp' },
          { type: 'CN', value: 'www.corp.test' },
        ]),
      },
    },
    {
      fields: { subjectNameDer: cn('10.1.2.3') },
      extensions: { subjectAltName: extensions.subjectAltName([{ type: 'ip', value: '10.1.2.3' }], false) },
    },
  ],
  'san-present': [{ extensions: { subjectAltName: undefined } }],
  'san-critical': [
    { extensions: { subjectAltName: extensions.subjectAltName([{ type: 'dns', value: 'www.corp.test' }], false) } },
    { fields: { subjectNameDer: cn('www.corp.test') } },
  ],
  'san-types': [
    { extensions: { subjectAltName: sanOf(dns('www.corp.test'), contextPrimitive(1, Buffer.from('root@corp.test'))) } },
    { extensions: { subjectAltName: sanOf(contextPrimitive(8, Buffer.from('2a03', 'hex'))) } },
  ],
  'san-duplicates': [
    { extensions: { subjectAltName: sanOf(dns('www.corp.test'), dns('www.corp.test')) } },
    { extensions: { subjectAltName: sanOf(dns('www.corp.test'), dns('WWW.corp.test')) } },
    { extensions: { subjectAltName: sanOf(uri('https://a.test/A'), uri('https://a.test/A')) } },
  ],
  'san-dns-names': [
    'WWW.corp.test',
    'www.corp.test.',
    'www..corp.test',
    'a_b.corp.test',
    '*',
    'a.*.test',
    '*a.test',
    'xn--zzzzzz-.test',
    '-a.test',
    'a b.test',
    '10.1.2.3',
  ].map((name) => ({
    extensions: { subjectAltName: sanOf(dns(name)) },
  })),
  'basic-constraints': [
    { extensions: { basicConstraints: undefined } },
    { extensions: { basicConstraints: extensions.basicConstraints({ ca: true }) } },
    { extensions: { basicConstraints: extension(OID.basicConstraints, false, sequence()) } },
  ],
  'key-usage': [
    { extensions: { keyUsage: undefined } },
    { extensions: { keyUsage: extensions.keyUsage(['digitalSignature', 'keyEncipherment']) } },
    { extensions: { keyUsage: extensions.keyUsage(['digitalSignature', 'keyCertSign']) } },
    { fields: { spkiDer: rsa.der } },
  ],
  'extended-key-usage': [
    { extensions: { extKeyUsage: undefined } },
    ...[OID.anyExtendedKeyUsage, OID.ocspSigning, OID.codeSigning].map((usage) => ({
      extensions: { extKeyUsage: extensions.extendedKeyUsage([OID.serverAuth, usage]) },
    })),
  ],
  'san-uris': ['spiffe://Corp.test/a', 'spiffe://corp.test/a/../b', 'https://corp.test/#a', 'corp.test'].map((uri) => ({
    extensions: { subjectAltName: sanOf(contextPrimitive(6, Buffer.from(uri))) },
  })),
  'san-emails': ['ann', 'ann@Corp.test', '*@corp.test', 'a b@corp.test'].map((address) => ({
    extensions: { subjectAltName: sanOf(contextPrimitive(1, Buffer.from(address))) },
  })),
  'svid-names': [
    ['spiffe://corp.test/a', 'spiffe://corp.test/b'],
    ['spiffe://corp.test/a', 'https://corp.test/'],
    ['spiffe://corp.test'],
  ].map((uris) => ({
    extensions: { subjectAltName: sanOf(...uris.map((uri) => contextPrimitive(6, Buffer.from(uri)))) },
  })),
  'certificate-policies': [
    {
      more: [
        extension(OID.certificatePolicies, false, sequence(sequence(element(6, Buffer.from('67810c010201', 'hex'))))),
      ],
    },
    { more: [extensions.certificatePolicies([{ oid: '1.3.6.1.4.1.99999.1' }])] },
  ],
  'no-rev-avail': [{ more: [extensions.noRevAvail()] }],
  'tls-feature': [{ more: [extensions.tlsFeature([5])] }],
  'must-staple-without-ocsp': [{ more: [extensions.tlsFeature([5])] }],
  'leaf-extensions': [
    { more: [extensions.nameConstraints({ permitted: { dns: ['corp.test'], ip: [] } })] },
    { more: [extension('1.2.3.4', true, octetString(Buffer.of(1)))] },
    { extensions: { authorityInfoAccess: extension(OID.authorityInfoAccess, true, infoAccessValue()) } },
  ],
  'authority-key-id': [
    { extensions: { authorityKeyIdentifier: undefined } },
    { extensions: { authorityKeyIdentifier: extensions.authorityKeyIdentifier(Buffer.alloc(20)) } },
    {
      extensions: {
        authorityKeyIdentifier: extension(
          OID.authorityKeyIdentifier,
          false,
          sequence(
            contextPrimitive(0, issuer.certificate.subjectKeyId ?? Buffer.alloc(0)),
            element(0xa1, dns('x.test')),
            contextPrimitive(2, Buffer.of(1)),
          ),
        ),
      },
    },
  ],
  'subject-key-id': [
    { extensions: { subjectKeyIdentifier: undefined } },
    { extensions: { subjectKeyIdentifier: extensions.subjectKeyIdentifier(Buffer.alloc(20)) } },
  ],
  'crl-distribution-point': [
    undefined,
    'https://ca.test/x.crl',
    'ldap://ca.test/x',
    'http://u:p@ca.test/x.crl',
    '/x.crl',
    `${issuer.crlUrl}?other`,
  ].map((url) => ({
    extensions: { crlDistributionPoints: url === undefined ? undefined : extensions.crlDistributionPoints(url) },
  })),
  'authority-info-access': [
    { extensions: { authorityInfoAccess: undefined } },
    { extensions: { authorityInfoAccess: extensions.authorityInfoAccess({ caIssuers: 'https://ca.test/i.cer' }) } },
    {
      extensions: {
        authorityInfoAccess: extensions.authorityInfoAccess({
          caIssuers: issuer.caIssuersUrl,
          ocsp: 'http://ocsp.test/',
        }),
      },
    },
    { extensions: { authorityInfoAccess: extensions.authorityInfoAccess({ ocsp: 'http://ocsp.test/' }) } },
  ],
  'public-key': [
    { fields: { spkiDer: issuer.certificate.publicKey.der } },
    { fields: { spkiDer: generateTestKey('RS256', { rsaBits: 1024 }).spkiDer } },
    { fields: { spkiDer: generateTestKey('RS256', { rsaBits: 2052 }).spkiDer } },
    { fields: { spkiDer: rsaWithExponent3() } },
  ],
  'many-names': [
    { extensions: { subjectAltName: sanOf(...Array.from({ length: 101 }, (_, i) => dns(`n${i}.corp.test`))) } },
  ],
}

for (const [name, changes] of Object.entries(broken)) {
  test(`KF-C17 the rule ${name} finds each certificate that breaks it`, () => {
    for (const [index, change] of changes.entries()) {
      assert.ok(findings(tbs(change)).includes(name), `case ${index + 1} was not found`)
    }
  })
}

const SHORT = { ...context.profile, noRevAvailSeconds: 86_400 }

test('what a profile of another kind demands is found when it is missing or wrong', () => {
  const policies = [{ oid: '1.3.6.1.4.1.99999.1', cps: 'https://corp.test/cps' }]
  const staples = { ...context.profile, mustStaple: true }
  const workload = { ...context.profile, type: 'workload' } as const
  const uri = (...values: string[]) => sanOf(...values.map((value) => contextPrimitive(6, Buffer.from(value))))
  const short = { crlDistributionPoints: undefined }
  for (const [rule, profile, change] of [
    ['certificate-policies', { ...context.profile, certificatePolicies: policies }, {}],
    [
      'certificate-policies',
      { ...context.profile, certificatePolicies: policies },
      { more: [extensions.certificatePolicies([{ oid: '1.3.6.1.4.1.99999.1' }])] },
    ],
    [
      'certificate-policies',
      { ...context.profile, certificatePolicies: [policies[0]!, policies[0]!] },
      { more: [extensions.certificatePolicies([policies[0]!, policies[0]!])] },
    ],
    ['no-rev-avail', SHORT, { extensions: short }],
    ['no-rev-avail', { ...SHORT, noRevAvailSeconds: 86_399 }, { extensions: short, more: [extensions.noRevAvail()] }],
    [
      'no-rev-avail',
      SHORT,
      { extensions: short, more: [extension(OID.noRevAvail, false, Buffer.from('0500', 'hex').subarray(0, 0))] },
    ],
    [
      'leaf-extensions',
      SHORT,
      { extensions: short, more: [extension(OID.noRevAvail, true, Buffer.from('0500', 'hex'))] },
    ],
    ['crl-distribution-point', SHORT, { more: [extensions.noRevAvail()] }],
    ['tls-feature', staples, {}],
    ['tls-feature', staples, { more: [extensions.tlsFeature([5, 17])] }],
    [
      'tls-feature',
      { ...staples, type: 'client' as const },
      {
        more: [extensions.tlsFeature([5])],
        extensions: { extKeyUsage: extensions.extendedKeyUsage([OID.clientAuth]) },
      },
    ],
    ['svid-names', workload, {}],
    ['svid-names', workload, { extensions: { subjectAltName: uri('https://corp.test/a') } }],
    [
      'svid-names',
      workload,
      {
        extensions: { subjectAltName: sanOf(dns('a.test'), contextPrimitive(6, Buffer.from('spiffe://corp.test/a'))) },
      },
    ],
    ['san-types', { ...context.profile, type: 'smime' as const }, {}],
    ['extended-key-usage', { ...context.profile, type: 'code-signing' as const }, {}],
  ] as const) {
    assert.ok(findings(tbs(change), { profile }).includes(rule), `${rule} ${JSON.stringify(profile)}`)
  }
  const good = { extensions: short, more: [extensions.noRevAvail()] }
  assert.deepEqual(findings(tbs(good), { profile: SHORT }), [])
})

test('KF-C10 a commonName from attributes says no name that the SAN does not', () => {
  const client = {
    ...context.profile,
    subject: 'attributes',
    extendedKeyUsages: ['clientAuth'],
    type: 'client',
  } as const
  const server = { ...context.profile, subject: 'attributes' } as const
  const found = (profile: typeof client | typeof server, ...attributes: Parameters<typeof buildName>[0][number][]) =>
    findings(tbs({ fields: { subjectNameDer: buildName(attributes) } }), { profile }).includes('subject-is-san')
  for (const value of [
    'other.corp.test',
    'spiffe://corp.test/b',
    'ann@corp.test',
    '10.0.0.1',
    'fd00::1',
    '*.corp.test',
  ])
    assert.ok(found(client, { type: 'CN', value }), value)
  for (const value of ['www.corp.test', 'Ann Lee', 'device 7']) assert.ok(!found(client, { type: 'CN', value }), value)
  for (const value of ['Ann Lee', 'other.corp.test']) assert.ok(found(server, { type: 'CN', value }), value)
  assert.ok(!found(server, { type: 'O', value: 'Corp' }, { type: 'CN', value: 'www.corp.test' }))
  assert.ok(found(server, { type: 'O', value: 'Corp' }, { type: 'O', value: 'Corp' }))
})

test('KF-C03 the rule time-encoding finds times that our own parser could have let pass', () => {
  const lint = LINTS.find(({ name }) => name === 'time-encoding')
  assert.ok(lint)
  const good = tbs()
  const certificate = parseTbsCertificate(good)
  const withTime = (tag: number, text: string): Buffer => {
    const asWritten = element(0x17, Buffer.from('260301115500Z'))
    const at = good.indexOf(asWritten)
    const validityAt = good.lastIndexOf(Buffer.of(0x30, 0x1e), at)
    const validity = sequence(element(tag, Buffer.from(text)), element(0x17, Buffer.from('260302115459Z')))
    const inner = Buffer.concat([good.subarray(4, validityAt), validity, good.subarray(validityAt + 32)])
    return sequence(inner)
  }
  assert.equal(lint.check({ ...certificate, tbsDer: withTime(0x17, '260301115500Z') }, context), undefined)
  for (const [tag, text] of [
    [0x17, '2603011155Z'],
    [0x17, '260301115500+0100'],
    [0x17, '700301115500Z'],
    [0x18, '20260301115500Z'],
    [0x18, '20500301115500.5Z'],
    [0x0c, '260301115500Z'],
  ] as const) {
    assert.notEqual(lint.check({ ...certificate, tbsDer: withTime(tag, text) }, context), undefined, `${tag} ${text}`)
  }
})

test('long validities warn from the day on which public CAs may no longer issue them', () => {
  const days = (count: number): Change => ({
    fields: { notAfter: new Date(Date.parse('2026-03-01T11:55:00Z') + count * 86_400_000 - 1000) },
  })
  const long = { profile: { ...PROFILE, maxLifetimeSeconds: 400 * 86_400 } }
  const warned = (count: number, when: string): string[] =>
    findings(tbs(days(count)), { ...long, now: new Date(when) }).filter((name) => name.startsWith('validity-over'))
  assert.deepEqual(warned(200, '2026-03-01T12:00:00Z'), [])
  assert.deepEqual(warned(201, '2026-03-01T12:00:00Z'), ['validity-over-200-days'])
  assert.deepEqual(warned(101, '2027-03-14T23:59:59Z'), [])
  assert.deepEqual(warned(101, '2027-03-15T00:00:00Z'), ['validity-over-100-days'])
  assert.deepEqual(warned(48, '2029-03-15T00:00:00Z'), ['validity-over-47-days'])
})

test('a rule that cannot be run is an error, even one that only warns', () => {
  const failing: Lint = {
    name: 'failing',
    source: 'test',
    severity: 'warn',
    check() {
      throw new Error('no idea')
    },
  }
  assert.deepEqual(runLints([failing], parseTbsCertificate(tbs()), context), [
    { lint: 'failing', severity: 'error', detail: 'no idea' },
  ])
})

test('every rule has a name of its own, a source, and a test here', () => {
  const names = LINTS.map(({ name }) => name)
  assert.equal(new Set(names).size, names.length)
  const tested = new Set([
    ...Object.keys(broken),
    'time-encoding',
    'validity-over-200-days',
    'validity-over-100-days',
    'validity-over-47-days',
  ])
  assert.deepEqual(
    names.filter((name) => !tested.has(name)),
    [],
  )
  assert.ok(LINTS.every(({ source }) => source.length > 3))
})

test('KF-C18 repeated extensions never reach a rule: the parser refuses them', () => {
  assert.throws(() => parseTbsCertificate(tbs({ more: [EXTENSIONS.keyUsage] })), /occurs twice/)
})

function infoAccessValue(): Buffer {
  const whole = extensions.authorityInfoAccess({ caIssuers: issuer.caIssuersUrl })
  // Extension ::= SEQUENCE { OID (10 octets), OCTET STRING }: the value begins after three short headers.
  return whole.subarray(2 + 10 + 2)
}

/** The same name in other bytes: UTF8String made PrintableString. */
function printable(nameDer: Buffer): Buffer {
  const copy = Buffer.from(nameDer)
  for (let at = copy.indexOf(0x0c); at >= 0; at = copy.indexOf(0x0c, at + 1)) copy[at] = 0x13
  return copy
}

function rsaWithExponent3(): Buffer {
  const { modulus } = rsa.rsa ?? assert.fail()
  const numbers = sequence(integer(modulus), integer(3))
  return sequence(
    Buffer.from('300d06092a864886f70d0101010500', 'hex'),
    element(3, Buffer.concat([Buffer.of(0), numbers])),
  )
}
