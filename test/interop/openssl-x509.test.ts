/** OpenSSL judges what `src/x509/` writes, and `src/x509/` reads what OpenSSL writes. */
import assert from 'node:assert/strict'
import { createPrivateKey } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { encodePem } from '../../src/lib/pem.ts'
import { DerError } from '../../src/x509/asn1/der-error.ts'
import { parseCertificate } from '../../src/x509/certificate.ts'
import { encodeCertificateChain } from '../../src/x509/chain-file.ts'
import { buildTbsCertList, encodeRevokedEntries, parseCertList, type RevokedEntry } from '../../src/x509/crl.ts'
import { parseCertificationRequest, verifyCertificationRequest } from '../../src/x509/csr.ts'
import { buildCertificationRequestInfo } from '../../src/x509/csr-writer.ts'
import * as extensions from '../../src/x509/extensions.ts'
import { buildName, parseName } from '../../src/x509/name.ts'
import { OID } from '../../src/x509/oids.ts'
import { checkCertificatePath } from '../../src/x509/path.ts'
import { verifySignature } from '../../src/x509/signature.ts'
import { parseSubjectPublicKey } from '../../src/x509/spki.ts'
import { needProgram, type Ran, run } from '../support/program.ts'
import { generateTestKey, type TestAlgorithm, type TestKey, testKeyOf } from '../support/test-keys.ts'
import { type SampleCa, sampleCa, sampleLeaf, signatureNameOf, signSample } from '../support/x509-samples.ts'

const CRL_URL = 'http://crl.example.test/1.crl'
/** Within the lifetime of every sample. */
const AT = new Date('2026-04-01T00:00:00Z')
const ATTIME = ['-attime', String(AT.getTime() / 1000)]
const ALGORITHMS: readonly TestAlgorithm[] = ['ES256', 'ES384', 'ES512', 'RS256', 'EdDSA']

interface OpenSsl {
  /** Runs `openssl` in a folder of its own; the test fails unless it ends with 0. */
  readonly ok: (...args: string[]) => Promise<Ran>
  readonly run: (...args: string[]) => Promise<Ran>
  readonly write: (name: string, content: string | Uint8Array) => Promise<string>
  readonly read: (name: string) => Promise<Buffer>
}

/** Undefined where OpenSSL is not installed; the test is then marked as skipped. */
async function openssl(t: TestContext): Promise<OpenSsl | undefined> {
  const program = needProgram(t, 'openssl')
  if (program === undefined) return undefined
  const folder = await mkdtemp(join(tmpdir(), 'chancery-openssl-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const start = (...args: string[]): Promise<Ran> => run(program, args, { cwd: folder })
  return {
    run: start,
    ok: async (...args) => {
      const ran = await start(...args)
      assert.equal(ran.code, 0, `openssl ${args.join(' ')}\n${ran.stdout}${ran.stderr}`)
      return ran
    },
    write: async (name, content) => {
      await writeFile(join(folder, name), content)
      return name
    },
    read: (name) => readFile(join(folder, name)),
  }
}

const certificatePem = (der: Uint8Array): string => encodePem('CERTIFICATE', der)

const pointers = [
  extensions.crlDistributionPoints(CRL_URL),
  extensions.authorityInfoAccess({ caIssuers: 'http://crl.example.test/1.der', ocsp: 'http://ocsp.example.test' }),
]

function buildCrl(ca: SampleCa, entries: readonly RevokedEntry[], number = 1n): Buffer {
  const half = entries.length >> 1
  const tbs = buildTbsCertList({
    signatureAlgorithm: signatureNameOf(ca.key),
    issuerNameDer: ca.certificate.subjectDer,
    thisUpdate: new Date('2026-03-31T12:00:00Z'),
    nextUpdate: new Date('2026-04-02T12:00:00Z'),
    encodedEntries: [encodeRevokedEntries(entries.slice(0, half)), encodeRevokedEntries(entries.slice(half))],
    authorityKeyId: ca.keyId,
    number,
    distributionPointUrl: CRL_URL,
    onlyContainsUserCerts: true,
  })
  return signSample(tbs, ca.key)
}

for (const algorithm of ALGORITHMS) {
  test(`OpenSSL finds a chain of ${algorithm} keys strictly valid, and reads its CRL`, async (t) => {
    const ssl = await openssl(t)
    if (ssl === undefined) return
    const root = sampleCa('Root', { key: generateTestKey(algorithm) })
    const issuing = sampleCa('Issuing', { key: generateTestKey(algorithm), issuer: root, pathLen: 0, more: pointers })
    const leaf = sampleLeaf(issuing, ['a.example.test', '*.b.example.test'], {
      key: generateTestKey(algorithm),
      more: pointers,
    })
    await ssl.write('root.pem', certificatePem(root.certificate.der))
    await ssl.write('chain.pem', encodeCertificateChain([leaf, issuing.certificate.der]))
    await ssl.write('leaf.pem', certificatePem(leaf))
    await ssl.write('crl.pem', encodePem('X509 CRL', buildCrl(issuing, [])))

    const verified = await ssl.ok(
      'verify',
      '-x509_strict',
      '-purpose',
      'sslserver',
      '-verify_hostname',
      'x.b.example.test',
      ...ATTIME,
      '-crl_check',
      '-CRLfile',
      'crl.pem',
      '-CAfile',
      'root.pem',
      '-untrusted',
      'chain.pem',
      'leaf.pem',
    )
    assert.equal(verified.stdout, 'leaf.pem: OK\n')
    assert.equal(verified.stderr, '')
    assert.deepEqual(
      checkCertificatePath([parseCertificate(leaf), issuing.certificate, root.certificate], {
        at: AT,
        anchors: [root.certificate],
      }),
      [],
    )

    const { stdout, stderr } = await ssl.ok('x509', '-in', 'leaf.pem', '-noout', '-text')
    assert.equal(stderr, '')
    assert.match(stdout, /Version: 3 \(0x2\)/)
    assert.match(stdout, /X509v3 Basic Constraints: critical\s+CA:FALSE/)
    assert.match(stdout, /X509v3 Key Usage: critical\s+Digital Signature\n/)
    assert.match(stdout, /X509v3 Subject Alternative Name: critical\s+DNS:a\.example\.test, DNS:\*\.b\.example\.test\n/)
    assert.match(stdout, /Full Name:\s+URI:http:\/\/crl\.example\.test\/1\.crl/)
    assert.match(
      stdout,
      /OCSP - URI:http:\/\/ocsp\.example\.test\s+CA Issuers - URI:http:\/\/crl\.example\.test\/1\.der/,
    )
    const key = issuing.keyId
      .toString('hex')
      .toUpperCase()
      .replace(/(..)(?!$)/g, '$1:')
    assert.ok(stdout.includes(key), "the authority key identifier is the issuer's")
  })
}

test('OpenSSL reads CRLs with no, one, two and two thousand entries, and each entry is what was revoked', async (t) => {
  const ssl = await openssl(t)
  if (ssl === undefined) return
  const ca = sampleCa('Test CA')
  await ssl.write('ca.pem', certificatePem(ca.certificate.der))
  const reasons = [0, 1, 2, 3, 4, 5, 6, 9, 10]
  const all = Array.from({ length: 2000 }, (_, i) => ({
    serial: `5f${i.toString(16).padStart(30, '0')}`,
    revokedAt: new Date(Date.UTC(2026, 2, 1, 0, 0, i)),
    reason: reasons[i % reasons.length] ?? 0,
  }))
  for (const count of [0, 1, 2, 2000]) {
    await ssl.write('list.der', buildCrl(ca, all.slice(0, count), BigInt(count) + 2n ** 70n))
    const { stdout, stderr } = await ssl.ok(
      'crl',
      '-inform',
      'der',
      '-in',
      'list.der',
      '-noout',
      '-text',
      '-CAfile',
      'ca.pem',
    )
    assert.equal(stderr, 'verify OK\n')
    assert.match(stdout, /Version 2 \(0x1\)/)
    assert.match(
      stdout,
      /X509v3 Issuing Distribution Point: critical\s+Full Name:\s+URI:http:\/\/crl\.example\.test\/1\.crl\s+Only User Certificates/,
    )
    assert.match(stdout, new RegExp(`X509v3 CRL Number: *\\n\\s+${BigInt(count) + 2n ** 70n}\\n`))
    assert.equal(stdout.includes('No Revoked Certificates.'), count === 0)
    const serials = [...stdout.matchAll(/Serial Number: ([0-9A-F]+)/g)].map((match) => match[1]?.toLowerCase())
    assert.deepEqual(
      serials,
      all.slice(0, count).map(({ serial }) => serial),
    )
    assert.equal(
      [...stdout.matchAll(/X509v3 CRL Reason Code/g)].length,
      all.slice(0, count).filter(({ reason }) => reason !== 0).length,
    )
  }
})

test('OpenSSL takes a certificate on the list for revoked and its neighbour for good', async (t) => {
  const ssl = await openssl(t)
  if (ssl === undefined) return
  const ca = sampleCa('Test CA')
  const serials = ['00ff112233445566778899aabbccddeeff', '20000000000001']
  await ssl.write('ca.pem', certificatePem(ca.certificate.der))
  for (const [index, serial] of serials.entries()) {
    const leaf = sampleLeaf(ca, ['a.example.test'], { more: pointers, fields: { serial: Buffer.from(serial, 'hex') } })
    await ssl.write(`${index}.pem`, certificatePem(leaf))
  }
  const revokedAt = new Date('2026-03-31T11:00:00Z')
  await ssl.write('crl.pem', encodePem('X509 CRL', buildCrl(ca, [{ serial: serials[0] ?? '', revokedAt, reason: 1 }])))
  const verify = (file: string): Promise<Ran> =>
    ssl.run('verify', '-x509_strict', ...ATTIME, '-crl_check', '-CRLfile', 'crl.pem', '-CAfile', 'ca.pem', file)
  assert.match((await verify('0.pem')).stderr, /certificate revoked/)
  assert.equal((await verify('1.pem')).stdout, '1.pem: OK\n')
})

test('OpenSSL judges the same names to be within name constraints as we do', async (t) => {
  const ssl = await openssl(t)
  if (ssl === undefined) return
  const limits = extensions.nameConstraints({
    permitted: { dns: ['example.test'], ip: ['10.0.0.0/8', 'fd00::/8'] },
    excluded: { dns: ['secret.example.test'], ip: ['10.1.0.0/16'] },
  })
  const root = sampleCa('Root')
  const ca = sampleCa('Limited', { issuer: root, more: [limits] })
  await ssl.write('root.pem', certificatePem(root.certificate.der))
  await ssl.write('ca.pem', certificatePem(ca.certificate.der))
  const { stdout } = await ssl.ok('x509', '-in', 'ca.pem', '-noout', '-ext', 'nameConstraints')
  assert.match(
    stdout,
    /critical\s+Permitted:\s+DNS:example\.test\s+IP:10\.0\.0\.0\/255\.0\.0\.0\s+IP:FD00:0.*\/FF00:0.*\s+Excluded:\s+DNS:secret\.example\.test\s+IP:10\.1\.0\.0\/255\.255\.0\.0/,
  )
  const cases = [
    { type: 'dns', value: 'example.test', good: true },
    { type: 'dns', value: 'a.b.example.test', good: true },
    { type: 'dns', value: 'evilexample.test', good: false },
    { type: 'dns', value: 'secret.example.test', good: false },
    { type: 'dns', value: 'a.secret.example.test', good: false },
    { type: 'ip', value: '10.2.0.1', good: true },
    { type: 'ip', value: '10.1.0.1', good: false },
    { type: 'ip', value: '192.0.2.1', good: false },
    { type: 'ip', value: 'fd12::1', good: true },
    { type: 'ip', value: '2001:db8::1', good: false },
  ] as const
  for (const { good, ...name } of cases) {
    const leaf = sampleLeaf(ca, [], {
      extensions: [
        extensions.basicConstraints({ ca: false }),
        extensions.authorityKeyIdentifier(ca.keyId),
        extensions.subjectAltName([name], true),
      ],
    })
    await ssl.write('leaf.pem', certificatePem(leaf))
    const theirs = await ssl.run('verify', ...ATTIME, '-CAfile', 'root.pem', '-untrusted', 'ca.pem', 'leaf.pem')
    const ours = checkCertificatePath([parseCertificate(leaf), ca.certificate, root.certificate], {
      at: AT,
      anchors: [root.certificate],
    })
    assert.equal(theirs.code === 0, good, `${name.value}: ${theirs.stderr}`)
    assert.equal(ours.length === 0, good, `${name.value}: ${ours.join()}`)
  }
})

test('KF-C18 under a CA that OpenSSL made, in PrintableString or UTF8String, leaf and CRL are accepted', async (t) => {
  const ssl = await openssl(t)
  if (ssl === undefined) return
  for (const mask of ['default', 'utf8only']) {
    await ssl.write(
      'ca.cnf',
      `[req]\ndistinguished_name=dn\nx509_extensions=ext\nprompt=no\nstring_mask=${mask}\n[dn]\nC=DE\nO=Example Bank\nCN=Issuing 1\n[ext]\nbasicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n`,
    )
    await ssl.ok(
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-keyout',
      'ca.key',
      '-out',
      'ca.pem',
      '-days',
      '3650',
      '-config',
      'ca.cnf',
    )
    await ssl.ok('x509', '-in', 'ca.pem', '-outform', 'der', '-out', 'ca.der')
    const certificate = parseCertificate(await ssl.read('ca.der'))
    const stringTag = certificate.subjectDer.includes(Buffer.concat([Buffer.of(0x13, 12), Buffer.from('Example Bank')]))
    assert.equal(stringTag, mask === 'default', 'the two masks give two encodings')
    assert.deepEqual(
      parseName(certificate.subjectDer).attributes.map(({ value }) => value),
      ['DE', 'Example Bank', 'Issuing 1'],
    )
    const key: TestKey = testKeyOf('ES256', createPrivateKey(await ssl.read('ca.key')))
    const ca = { key, keyId: certificate.subjectKeyId ?? Buffer.alloc(0), certificate }
    const now = new Date(Math.floor(Date.now() / 1000) * 1000)
    const fields = { notBefore: now, notAfter: new Date(now.getTime() + 3_600_000) }
    await ssl.write('leaf.pem', certificatePem(sampleLeaf(ca, ['a.example.test'], { more: pointers, fields })))
    await ssl.write('crl.der', buildCrl(ca, []))
    const verified = await ssl.ok('verify', '-x509_strict', '-CAfile', 'ca.pem', 'leaf.pem')
    assert.equal(verified.stdout + verified.stderr, 'leaf.pem: OK\n')
    assert.equal(
      (await ssl.ok('crl', '-inform', 'der', '-in', 'crl.der', '-noout', '-CAfile', 'ca.pem')).stderr,
      'verify OK\n',
    )
  }
})

test("names and dates are the same in our eyes and in OpenSSL's, also after 2049", async (t) => {
  const ssl = await openssl(t)
  if (ssl === undefined) return
  const attributes = [
    { type: 'C', value: 'DE' },
    { type: 'ST', value: 'Hessen' },
    { type: 'L', value: 'Frankfurt' },
    { type: 'O', value: 'Müller & Söhne' },
    { type: 'OU', value: 'A, B' },
    { type: 'serialNumber', value: '42' },
    { type: 'CN', value: 'Rööt 1' },
  ] as const
  const fields = { notBefore: new Date('2049-12-31T23:59:59Z'), notAfter: new Date('2050-01-01T00:00:00Z') }
  const ca = sampleCa('', { subjectNameDer: buildName(attributes), fields })
  await ssl.write('ca.der', ca.certificate.der)
  const { stdout } = await ssl.ok(
    'x509',
    '-inform',
    'der',
    '-in',
    'ca.der',
    '-noout',
    '-subject',
    '-dates',
    '-nameopt',
    'utf8,sep_multiline,sname',
  )
  assert.equal(
    stdout,
    'subject=\n    C=DE\n    ST=Hessen\n    L=Frankfurt\n    O=Müller & Söhne\n    OU=A, B\n    serialNumber=42\n    CN=Rööt 1\n' +
      'notBefore=Dec 31 23:59:59 2049 GMT\nnotAfter=Jan  1 00:00:00 2050 GMT\n',
  )
  assert.deepEqual(
    parseName(ca.certificate.subjectDer).attributes.map(({ value }) => value),
    attributes.map(({ value }) => value),
  )
  assert.deepEqual([ca.certificate.notBefore, ca.certificate.notAfter], [fields.notBefore, fields.notAfter])
})

const NEW_KEY: Readonly<Record<string, { args: readonly string[]; algorithm: string }>> = {
  'P-256': { args: ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'], algorithm: 'P-256' },
  'P-384': { args: ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-384', '-sha384'], algorithm: 'P-384' },
  'P-521': { args: ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-521', '-sha512'], algorithm: 'P-521' },
  RSA: { args: ['-newkey', 'rsa:2048'], algorithm: 'RSA' },
  Ed25519: { args: ['-newkey', 'ed25519'], algorithm: 'Ed25519' },
}

async function makeRequest(ssl: OpenSsl, ...args: string[]): Promise<Buffer> {
  await ssl.ok('req', '-new', '-nodes', '-keyout', 'key.pem', '-outform', 'der', '-out', 'request.der', ...args)
  return ssl.read('request.der')
}

for (const [kind, { args, algorithm }] of Object.entries(NEW_KEY)) {
  test(`a request with a ${kind} key that OpenSSL made is read and verified`, async (t) => {
    const ssl = await openssl(t)
    if (ssl === undefined) return
    const san = 'subjectAltName=DNS:a.example.test,IP:10.0.0.1,IP:2001:db8::1,email:a@b.test,otherName:1.2.3;UTF8:x'
    const request = parseCertificationRequest(
      await makeRequest(
        ssl,
        ...args,
        '-subj',
        '/O=acme.sh/CN=a.example.test',
        '-addext',
        san,
        '-addext',
        'keyUsage=digitalSignature',
      ),
    )
    assert.equal(request.publicKey.algorithm, algorithm)
    assert.deepEqual(request.commonNames, ['a.example.test'])
    assert.deepEqual(
      request.subjectAltNames.map(({ type }) => type),
      ['dns', 'ip', 'ip', 'email', 'other'],
    )
    assert.deepEqual(
      request.requestedExtensions.map(({ oid }) => oid),
      [OID.subjectAltName, OID.keyUsage],
    )
    assert.equal(request.requestsCa, false)
    assert.ok(verifyCertificationRequest(request))
  })
}

test('requests that OpenSSL makes with nothing in them, for a CA, or in odd ways are told apart', async (t) => {
  const ssl = await openssl(t)
  if (ssl === undefined) return
  const ec = NEW_KEY['P-256']?.args ?? []
  const plain = parseCertificationRequest(await makeRequest(ssl, ...ec, '-subj', '/'))
  assert.deepEqual([plain.commonNames, plain.subjectAltNames, plain.requestsCa], [[], [], false])
  assert.ok(verifyCertificationRequest(plain))

  const forCa = await makeRequest(ssl, ...ec, '-subj', '/CN=Sub', '-addext', 'basicConstraints=critical,CA:TRUE')
  assert.equal(parseCertificationRequest(forCa).requestsCa, true)

  const several = parseCertificationRequest(await makeRequest(ssl, ...ec, '-utf8', '-subj', '/CN=a.test/CN=Möbel+O=x'))
  assert.deepEqual(several.commonNames, ['a.test', 'Möbel'])

  const bmp = makeRequest(
    ssl,
    ...ec,
    '-utf8',
    '-subj',
    '/CN=Möbel',
    '-config',
    await ssl.write('bmp.cnf', '[req]\ndistinguished_name=dn\nstring_mask=MASK:0x800\n[dn]\n'),
  )
  const bmpDer = await bmp
  assert.throws(() => parseCertificationRequest(bmpDer), DerError)
})

test('KF-C14 a request that OpenSSL signed with SHA-1, or with RSASSA-PSS, does not verify', async (t) => {
  const ssl = await openssl(t)
  if (ssl === undefined) return
  for (const args of [['-sha1'], ['-sigopt', 'rsa_padding_mode:pss']]) {
    const request = parseCertificationRequest(
      await makeRequest(ssl, '-newkey', 'rsa:2048', '-subj', '/CN=a.test', ...args),
    )
    assert.equal(verifyCertificationRequest(request), false, args.join(' '))
  }
})

test('KF-B23 keys that OpenSSL writes with explicit parameters, a compressed point or another curve are refused', async (t) => {
  const ssl = await openssl(t)
  if (ssl === undefined) return
  const odd = [
    ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-pkeyopt', 'ec_param_enc:explicit'],
    ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:secp256k1'],
    ['-newkey', 'ed448'],
  ]
  for (const args of odd) {
    const der = await makeRequest(ssl, ...args, '-subj', '/CN=a.test')
    assert.throws(() => parseCertificationRequest(der), DerError, args.join(' '))
  }
  await ssl.ok('ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', 'key.pem')
  await ssl.ok('ec', '-in', 'key.pem', '-pubout', '-conv_form', 'compressed', '-outform', 'der', '-out', 'key.der')
  const compressed = await ssl.read('key.der')
  assert.throws(() => parseSubjectPublicKey(compressed), /compressed/)
})

test('OpenSSL verifies the requests that we write', async (t) => {
  const ssl = await openssl(t)
  if (ssl === undefined) return
  for (const algorithm of ALGORITHMS) {
    const key = generateTestKey(algorithm)
    const info = buildCertificationRequestInfo({
      subjectNameDer: buildName([{ type: 'CN', value: 'Issuing 1' }]),
      spkiDer: key.spkiDer,
      subjectAltNames: [{ type: 'dns', value: 'a.example.test' }],
      extensions: [extensions.basicConstraints({ ca: true, pathLen: 0 })],
    })
    await ssl.write('ours.der', signSample(info, key))
    const { stdout, stderr } = await ssl.ok('req', '-inform', 'der', '-in', 'ours.der', '-noout', '-verify', '-text')
    assert.match(stdout + stderr, /verify OK/, algorithm)
    assert.match(stdout, /CN ?= ?Issuing 1/)
    assert.match(stdout, /DNS:a\.example\.test/)
    assert.match(stdout, /CA:TRUE, pathlen:0/)
  }
})

test('a CRL that OpenSSL made is read, and its signature verified', async (t) => {
  const ssl = await openssl(t)
  if (ssl === undefined) return
  const ca = sampleCa('Test CA')
  await ssl.write('ca.pem', certificatePem(ca.certificate.der))
  await ssl.write('ca.key', ca.key.privateKey.export({ type: 'pkcs8', format: 'pem' }))
  await ssl.write(
    'index.txt',
    'R\t270101000000Z\t260301120000Z,keyCompromise\t5F01\tunknown\t/CN=x\nR\t270101000000Z\t260301120001Z\t02\tunknown\t/CN=y\n',
  )
  await ssl.write('number', '0A\n')
  await ssl.write(
    'ca.cnf',
    '[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\ncrlnumber=number\ndefault_md=sha256\ndefault_crl_days=1\ncrl_extensions=e\n[e]\nauthorityKeyIdentifier=keyid\n',
  )
  await ssl.ok('ca', '-gencrl', '-config', 'ca.cnf', '-cert', 'ca.pem', '-keyfile', 'ca.key', '-out', 'crl.pem')
  await ssl.ok('crl', '-in', 'crl.pem', '-outform', 'der', '-out', 'crl.der')
  const crl = parseCertList(await ssl.read('crl.der'))
  assert.ok(verifySignature(crl, ca.key.publicKey))
  assert.equal(crl.number, 10n)
  assert.equal(crl.issuingDistributionPoint, undefined)
  assert.deepEqual(
    [...crl.entries()],
    [
      { serial: '02', revokedAt: new Date('2026-03-01T12:00:01Z'), reason: 0 },
      { serial: '5f01', revokedAt: new Date('2026-03-01T12:00:00Z'), reason: 1 },
    ],
  )
})
