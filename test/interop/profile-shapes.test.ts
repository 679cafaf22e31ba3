import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { configSchema } from '../../src/config/schema.ts'
import { issue } from '../../src/issuance/issue.ts'
import { prepare } from '../../src/issuance/prepare.ts'
import { profileSnapshot } from '../../src/issuance/profile.ts'
import { newSerial } from '../../src/issuance/serial.ts'
import type { Identifier } from '../../src/lib/identifier.ts'
import { encodePem } from '../../src/lib/pem.ts'
import type { ProfileSnapshot } from '../../src/store/records.ts'
import { OID } from '../../src/x509/oids.ts'
import { parseSubjectPublicKey } from '../../src/x509/spki.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { needProgram, type Ran, run } from '../support/program.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import { makeTestAuthority } from '../support/test-authority.ts'
import { generateTestKey, type TestAlgorithm } from '../support/test-keys.ts'
import type { Artefact } from './artefacts.ts'
import { describe, expectOnlyExempt, judgeByPkilint, judgeByZlint, lintAlone, ZLINT_RFC_RULES } from './linters.ts'
import { needPython } from './python.ts'

interface Shape {
  readonly profile: Record<string, unknown>
  readonly names: readonly Identifier[]
  readonly subjectAttributes?: ProfileSnapshot['subjectAttributes']
  /** What OpenSSL must and must not take it for. */
  readonly good: readonly string[]
  readonly bad: readonly string[]
  /** What `openssl x509 -text` must show. */
  readonly shows: readonly RegExp[]
}

const POLICY = '1.3.6.1.4.1.55555.1.2'
const TLS = ['sslserver', 'sslclient'] as const
const OTHERS = ['smimesign', 'smimeencrypt', 'codesign'] as const
const dns = (value: string) => ({ type: 'dns', value }) as const
const ADDRESS = { type: 'email', value: 'Ann.Lee@mail.corp.test' } as const
const SPIFFE = { type: 'uri', value: 'spiffe://corp.test/ns/shop/sa/Web.1' } as const

const SHAPES: Readonly<Record<string, Shape>> = {
  server: { profile: {}, names: [dns('www.corp.test')], good: ['sslserver'], bad: ['sslclient', ...OTHERS], shows: [] },
  client: {
    profile: { type: 'client' },
    names: [dns('laptop.corp.test')],
    good: ['sslclient'],
    bad: ['sslserver', ...OTHERS],
    shows: [/Key Usage: critical\s+Digital Signature\n/],
  },
  peer: { profile: { type: 'peer' }, names: [dns('db.corp.test')], good: TLS, bad: OTHERS, shows: [] },
  workload: {
    profile: { type: 'workload', lifetime: '1h', backdate: '1m' },
    names: [SPIFFE],
    good: TLS,
    bad: OTHERS,
    shows: [/Alternative Name: critical\s+URI:spiffe:\/\/corp\.test\/ns\/shop\/sa\/Web\.1\n/],
  },
  'workload with a name': {
    profile: { type: 'workload', otherNames: true },
    names: [SPIFFE, dns('web.corp.test')],
    good: TLS,
    bad: OTHERS,
    shows: [/URI:spiffe:[^,]+, DNS:web\.corp\.test/],
  },
  'code signing': {
    profile: { type: 'code-signing' },
    names: [dns('build.corp.test')],
    subjectAttributes: [
      { type: 'C', value: 'DE' },
      { type: 'O', value: 'Corp GmbH' },
      { type: 'CN', value: 'Corp Build' },
    ],
    good: ['codesign'],
    bad: [...TLS, 'smimesign'],
    shows: [/Subject: C = DE, O = Corp GmbH, CN = Corp Build/],
  },
  'S/MIME': {
    profile: { type: 'smime' },
    names: [ADDRESS],
    good: ['smimesign', 'smimeencrypt'],
    bad: [...TLS, 'codesign'],
    shows: [/email:Ann\.Lee@mail\.corp\.test/],
  },
  'short-lived': {
    profile: { lifetime: '6h', noRevAvail: '1d' },
    names: [dns('www.corp.test')],
    good: ['sslserver'],
    bad: OTHERS,
    shows: [/(?:No Revocation Available|2\.5\.29\.56)/],
  },
  policies: {
    profile: { certificatePolicies: [{ oid: POLICY, cps: 'https://pki.corp.test/cps' }, '1.3.6.1.4.1.55555.1.3'] },
    names: [dns('www.corp.test')],
    good: ['sslserver'],
    bad: OTHERS,
    shows: [
      /Policy: 1\.3\.6\.1\.4\.1\.55555\.1\.2\s+CPS: https:\/\/pki\.corp\.test\/cps\s+Policy: 1\.3\.6\.1\.4\.1\.55555\.1\.3/,
    ],
  },
  'must staple': {
    profile: { mustStaple: true },
    names: [dns('www.corp.test')],
    good: ['sslserver'],
    bad: OTHERS,
    shows: [/TLS Feature:\s+status_request/],
  },
  'subject from attributes': {
    profile: { type: 'peer' },
    names: [dns('www.corp.test'), { type: 'ip', value: '10.1.2.3' }],
    subjectAttributes: [
      { type: 'O', value: 'Körp, Inc. + "Söhne"' },
      { type: 'OU', value: '研究' },
      { type: 'serialNumber', value: 'SN-0042' },
      { type: 'CN', value: 'www.corp.test' },
    ],
    good: TLS,
    bad: OTHERS,
    shows: [/serialNumber = SN-0042, CN = www\.corp\.test/],
  },
}

// Judged as of now: pkilint looks at the clock.
const now = new Date()
let folder: string
let rootPath: string
let chainPath: string
const made: { shape: string; key: TestAlgorithm; leaf: Artefact }[] = []

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'chancery-shapes-'))
  const clock = new FakeClock(now.toISOString())
  const random = new SeededRandom('shapes')
  const authority = await makeTestAuthority({
    now,
    issuing: { extendedKeyUsages: [OID.serverAuth, OID.clientAuth, OID.codeSigning, OID.emailProtection] },
  })
  rootPath = join(folder, 'root.pem')
  chainPath = join(folder, 'chain.pem')
  await writeFile(rootPath, authority.root.certificatePem)
  await writeFile(chainPath, authority.issuingCa.certificatePem)
  for (const [shape, { profile, names, subjectAttributes }] of Object.entries(SHAPES)) {
    const config = configSchema.parse({ profiles: { p: profile } }).profiles['p'] ?? assert.fail()
    const snapshot: ProfileSnapshot = {
      ...profileSnapshot('p', config),
      ...(subjectAttributes && { subject: 'attributes', subjectAttributes }),
    }
    for (const key of ['ES256', 'RS256', 'EdDSA'] as const) {
      const prepared = await prepare(
        {
          requester: { kind: 'server' },
          profile: snapshot,
          identifiers: names,
          publicKey: parseSubjectPublicKey(generateTestKey(key).spkiDer),
          serial: newSerial(random),
        },
        { issuer: authority.issuer, policy: { decide: async () => ({ outcome: 'allow', reasons: [] }) }, clock },
      )
      if (prepared.outcome !== 'prepared') assert.fail(`${shape}: ${JSON.stringify(prepared)}`)
      const der = await issue(prepared.token)
      const label = `${shape} ${key}`
      const path = join(folder, `${label.replace(/\W+/g, '-')}.pem`)
      await writeFile(path, encodePem('CERTIFICATE', der))
      made.push({ shape, key, leaf: { label, kind: 'leaf', path, der, issuer: undefined } })
    }
  }
})
after(() => rm(folder, { recursive: true, force: true }))

test('OpenSSL takes each shape for what it is, strictly, and for nothing else', async (t) => {
  const openssl = needProgram(t, 'openssl')
  if (openssl === undefined) return
  const known = (await run(openssl, ['verify', '-purpose', 'codesign', '-CAfile', rootPath, rootPath])).stderr
  const hasCodeSign = !/purpose/.test(known)
  const attime = ['-attime', String(Math.floor(now.getTime() / 1000))]
  for (const { shape, key, leaf } of made) {
    const { good, bad, shows } = SHAPES[shape] ?? assert.fail()
    const verify = (purpose: string): Promise<Ran> =>
      run(openssl, [
        ...['verify', '-x509_strict', '-check_ss_sig', '-purpose', purpose, ...attime],
        ...['-CAfile', rootPath, '-untrusted', chainPath, leaf.path],
      ])
    for (const purpose of good) {
      if (purpose === 'codesign' && !hasCodeSign) continue
      // OpenSSL asks for keyEncipherment, which only RSA keys can do; others agree on a key, or only sign.
      if (purpose === 'smimeencrypt' && key !== 'RS256') continue
      const verified = await verify(purpose)
      assert.equal(verified.code, 0, `${leaf.label} ${purpose}: ${verified.stderr}`)
    }
    for (const purpose of bad) {
      if (purpose === 'codesign' && !hasCodeSign) continue
      assert.notEqual((await verify(purpose)).code, 0, `${leaf.label} ${purpose}`)
    }
    const { stdout } = await run(openssl, [
      'x509',
      '-in',
      leaf.path,
      '-noout',
      '-text',
      '-nameopt',
      'oneline,utf8,-esc_msb',
    ])
    for (const shown of shows) assert.match(stdout, shown, leaf.label)
  }
})

test('KF-C17 zlint finds nothing in any shape by the rules of the RFCs', async (t) => {
  const zlint = needProgram(t, 'zlint')
  if (zlint === undefined) return
  const findings = await judgeByZlint(
    zlint,
    made.map(({ leaf }) => leaf),
    ZLINT_RFC_RULES,
  )
  assert.deepEqual(findings.map(describe), [])
})

test('KF-C17 pkilint finds nothing in any shape', async (t) => {
  const python = await needPython(t, 'pkilint')
  if (python === undefined) return
  const findings = await judgeByPkilint(
    python,
    made.map(({ leaf }) => lintAlone(leaf)),
  )
  expectOnlyExempt(findings, [
    {
      code: 'pkix.invalid_uri_syntax',
      where: ({ detail }) => detail.endsWith(` "${SPIFFE.value}"`),
      reason: 'pkilint knows a list of schemes, and spiffe is not on it; SPIFFE-ID §2 defines it by RFC 3986',
    },
  ])
})
