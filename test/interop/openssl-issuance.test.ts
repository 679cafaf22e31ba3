import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { issuingCaCsr } from '../../src/ca/csr.ts'
import { chainToServe } from '../../src/issuance/issuer.ts'
import type { Identifier } from '../../src/lib/identifier.ts'
import { encodePem } from '../../src/lib/pem.ts'
import { buildCrl } from '../../src/revocation/build-crl.ts'
import { generateKey, type KeyKind } from '../../src/signer/software.ts'
import { parseSubjectPublicKey } from '../../src/x509/spki.ts'
import { EnrollmentWorld } from '../support/enrollment-world.ts'
import { PROFILE } from '../support/order-facts.ts'
import { needProgram, run } from '../support/program.ts'
import { generateTestKey } from '../support/test-keys.ts'

/** OpenSSL in a folder of its own; the time is the fake clock's, given with -attime. */
async function openssl(t: TestContext) {
  const program = needProgram(t, 'openssl')
  if (program === undefined) return undefined
  const folder = await mkdtemp(join(tmpdir(), 'chancery-openssl-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  return {
    write: async (name: string, content: string | Buffer): Promise<string> => {
      const path = join(folder, name)
      await writeFile(path, content, { mode: 0o600 })
      return path
    },
    run: (...args: string[]) => run(program, args),
  }
}

const pem = (der: Buffer): string => encodePem('CERTIFICATE', der)
const seconds = (at: Date): string => String(Math.floor(at.getTime() / 1000))

for (const [issuingKeyKind, rootKeyKind] of [
  ['P-256', 'P-384'],
  ['P-384', 'P-521'],
  ['P-521', 'P-256'],
  ['RSA-2048', 'RSA-3072'],
  ['Ed25519', 'Ed25519'],
] as const satisfies readonly (readonly [KeyKind, KeyKind])[]) {
  test(`KF-C21 KF-D12 OpenSSL verifies chains under ${issuingKeyKind} below ${rootKeyKind}, strictly, and refuses what the CRL names`, async (t) => {
    const ssl = await openssl(t)
    if (ssl === undefined) return
    const world = await EnrollmentWorld.open(t, { issuingKeyKind, rootKeyKind })
    const root = await ssl.write('root.pem', world.authority.root.certificatePem)
    const chain = await ssl.write('chain.pem', chainToServe(world.issuer).map(pem).join(''))
    const attime = ['-attime', seconds(world.clock.now())]
    const leaves: { path: string; serial: string }[] = []
    for (const algorithm of ['ES256', 'ES384', 'ES512', 'RS256', 'EdDSA'] as const) {
      const request = await world.readyOrder({
        identifiers: [
          { type: 'dns', value: 'www.corp.test' },
          { type: 'dns', value: '*.corp.test' },
          { type: 'ip', value: '10.1.2.3' },
          { type: 'ip', value: 'fd00::1' },
        ],
        profile: {
          ...PROFILE,
          subject: algorithm === 'ES256' ? 'commonName' : 'empty',
          extendedKeyUsages: ['serverAuth', 'clientAuth'],
        },
        publicKey: parseSubjectPublicKey(generateTestKey(algorithm).spkiDer),
      })
      const result = await world
        .enrollment({ policyFor: () => ({ decide: async () => ({ outcome: 'allow', reasons: [] }) }) })
        .enroll(request)
      assert.ok(result.outcome === 'issued' && result.certificate.certificateDer)
      leaves.push({
        path: await ssl.write(`${algorithm}.pem`, pem(result.certificate.certificateDer)),
        serial: result.certificate.serial,
      })
    }
    for (const { path } of leaves) {
      for (const purpose of ['sslserver', 'sslclient']) {
        const verified = await ssl.run(
          'verify',
          '-x509_strict',
          '-check_ss_sig',
          '-purpose',
          purpose,
          '-verify_hostname',
          'any.corp.test',
          ...attime,
          '-CAfile',
          root,
          '-untrusted',
          chain,
          path,
        )
        assert.equal(verified.code, 0, verified.stderr + verified.stdout)
      }
      const address = await ssl.run(
        'verify',
        '-x509_strict',
        '-verify_ip',
        'fd00::1',
        ...attime,
        '-CAfile',
        root,
        '-untrusted',
        chain,
        path,
      )
      assert.equal(address.code, 0, address.stderr)
    }

    const [revoked, ...good] = leaves
    assert.ok(revoked)
    const now = new Date(Math.floor(world.clock.now().getTime() / 1000) * 1000)
    const crlDer = await buildCrl(world.issuer, {
      number: 2n ** 60n,
      thisUpdate: now,
      nextUpdate: new Date(now.getTime() + 3600_000),
      entries: [{ serial: revoked.serial, revokedAt: now, reason: 1 }],
    })
    const crl = await ssl.write('list.pem', encodePem('X509 CRL', crlDer))
    const own = await ssl.run('crl', '-in', crl, '-CAfile', chain, '-noout', '-text')
    assert.match(own.stderr, /verify OK/)
    assert.match(own.stdout, /Only User Certificates/)
    assert.match(own.stdout, new RegExp(world.issuer.crlUrl))
    assert.match(own.stdout, /Key Compromise/)
    const check = (path: string) =>
      ssl.run(
        'verify',
        '-x509_strict',
        '-crl_check',
        '-CRLfile',
        crl,
        ...attime,
        '-CAfile',
        root,
        '-untrusted',
        chain,
        path,
      )
    const refused = await check(revoked.path)
    assert.notEqual(refused.code, 0)
    assert.match(refused.stderr + refused.stdout, /certificate revoked/)
    for (const { path } of good) {
      const passed = await check(path)
      assert.equal(passed.code, 0, passed.stderr)
    }
    const later = ['-attime', seconds(new Date(now.getTime() + 3601_000))]
    const stale = await ssl.run(
      'verify',
      '-crl_check',
      '-CRLfile',
      crl,
      ...later,
      '-CAfile',
      root,
      '-untrusted',
      chain,
      good[0]?.path ?? '',
    )
    assert.match(stale.stderr + stale.stdout, /CRL has expired/)
  })
}

test('KF-C19 OpenSSL agrees that names outside of the constraints are not valid, so that our refusal is the right one', async (t) => {
  const ssl = await openssl(t)
  if (ssl === undefined) return
  const world = await EnrollmentWorld.open(t, { issuing: { nameConstraints: { dns: ['corp.test'], ip: [] } } })
  const enroll = async (...identifiers: Identifier[]) =>
    world.enrollment().enroll(await world.readyOrder({ identifiers }))
  assert.equal((await enroll({ type: 'dns', value: 'www.corp.test' })).outcome, 'issued')
  for (const outside of [
    { type: 'dns', value: 'www.other.test' },
    { type: 'ip', value: '10.0.0.1' },
  ] as const) {
    const result = await enroll({ type: 'dns', value: 'www.corp.test' }, outside)
    assert.ok(result.outcome === 'unacceptable' && result.about === 'names')
  }
  // The same names, signed behind our back: a relying party refuses them.
  const { issuer } = world
  const blind = { ...issuer, chain: issuer.chain.map(({ nameConstraints: _, ...rest }) => rest) }
  const { nameConstraints: _, ...certificate } = issuer.certificate
  const request = await world.readyOrder({ identifiers: [{ type: 'dns', value: 'www.other.test' }] })
  const result = await world.enrollment({ issuers: new Map([['default', { ...blind, certificate }]]) }).enroll(request)
  assert.ok(result.outcome === 'issued' && result.certificate.certificateDer)
  const root = await ssl.write('root.pem', world.authority.root.certificatePem)
  const chain = await ssl.write('chain.pem', world.authority.issuingCa.certificatePem)
  const leaf = await ssl.write('leaf.pem', pem(result.certificate.certificateDer))
  const verified = await ssl.run(
    'verify',
    '-attime',
    seconds(world.clock.now()),
    '-CAfile',
    root,
    '-untrusted',
    chain,
    leaf,
  )
  assert.notEqual(verified.code, 0)
  assert.match(verified.stderr + verified.stdout, /permitted subtree violation/)
})

test('KF-G07 OpenSSL opens our encrypted keys with the passphrase and with no other', async (t) => {
  const ssl = await openssl(t)
  if (ssl === undefined) return
  // Each opening takes OpenSSL some tenths of a second; two shapes of key are enough.
  for (const kind of ['Ed25519', 'RSA-2048'] as const) {
    const { privatePem, signingKey } = await generateKey(kind)
    const path = await ssl.write('key.pem', await privatePem('pass word'))
    const opened = await ssl.run('pkey', '-in', path, '-passin', 'pass:pass word', '-pubout')
    assert.equal(opened.code, 0, opened.stderr)
    assert.equal(opened.stdout.replaceAll('\n', ''), encodePem('PUBLIC KEY', signingKey.spkiDer).replaceAll('\n', ''))
    if (kind === 'Ed25519')
      assert.notEqual((await ssl.run('pkey', '-in', path, '-passin', 'pass:wrong', '-noout')).code, 0)
  }
})

test('OpenSSL verifies the request of an issuing CA for an offline root', async (t) => {
  const ssl = await openssl(t)
  if (ssl === undefined) return
  const { signingKey } = await generateKey('P-256')
  const { csrPem } = await issuingCaCsr({ name: 'Remote CA', organization: 'Corp', key: signingKey })
  const shown = await ssl.run('req', '-in', await ssl.write('ca.csr', csrPem), '-verify', '-noout', '-text')
  assert.equal(shown.code, 0, shown.stderr)
  assert.match(shown.stdout, /CA:TRUE, pathlen:0/)
  assert.match(shown.stdout, /O = Corp, CN = Remote CA/)
})
