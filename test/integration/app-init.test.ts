import assert from 'node:assert/strict'
import { once } from 'node:events'
import { copyFile, mkdir, mkdtemp, readFile, rm, stat, unlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { connect } from 'node:tls'
import { parse } from 'yaml'
import { certifyIssuingCa } from '../../src/ca/issuing-ca.ts'
import { createRoot } from '../../src/ca/root.ts'
import { runCli } from '../../src/cli/run.ts'
import { decodePem, encodePem } from '../../src/lib/pem.ts'
import { systemRandom as random } from '../../src/lib/random.ts'
import { type ParsedCertificate, parseCertificate } from '../../src/x509/certificate.ts'
import { parseCertificationRequest, verifyCertificationRequest } from '../../src/x509/csr.ts'
import { basicConstraints, keyUsage, subjectKeyIdentifier } from '../../src/x509/extensions.ts'
import { checkNameConstraints } from '../../src/x509/name-constraints.ts'
import { assembleSigned, buildTbsCertificate } from '../../src/x509/tbs-certificate.ts'
import { startTestChancery, type TestChancery } from '../support/chancery.ts'

let folder: string
let count = 0
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'chancery-init-'))
})
after(() => rm(folder, { recursive: true, force: true }))

const newHome = (): string => join(folder, `home-${++count}`)

async function cli(home: string, ...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  const out: string[] = []
  const err: string[] = []
  const around = {
    env: { CHANCERY_HOME: home },
    cwd: folder,
    out: (line: string) => out.push(line),
    err: (line: string) => err.push(line),
  }
  const code = await runCli(argv, around)
  return { code, out: out.join('\n'), err: err.join('\n') }
}

async function succeed(home: string, ...argv: string[]): Promise<string> {
  const { code, out, err } = await cli(home, ...argv)
  assert.equal(code, 0, err)
  return out
}

async function certificate(path: string): Promise<ParsedCertificate> {
  const [block] = decodePem(await readFile(path, 'utf8'))
  assert.ok(block)
  return parseCertificate(block.der)
}

const permits = (ca: ParsedCertificate, name: string): boolean =>
  ca.nameConstraints === undefined ||
  checkNameConstraints(ca.nameConstraints, [{ type: 'dns', value: name }]).length === 0

test('init makes what the first start would make, and never replaces it', async () => {
  const home = newHome()
  assert.match(await succeed(home, 'init'), /off this machine, to two places/)
  const ca = await certificate(join(home, 'chain.pem'))
  assert.equal(ca.basicConstraints?.pathLen, 0)
  assert.ok(permits(ca, 'a.internal') && permits(ca, 'localhost') && !permits(ca, 'a.example'))
  const again = await cli(home, 'init', '--names', 'late.example')
  assert.equal(again.code, 1)
  assert.match(again.err, /has its root and issuing CA already/)
  await assert.rejects(stat(join(home, 'chancery.yaml')), 'a refused init must not change the configuration')
  const server = await startTestChancery({ home })
  assert.equal(server.running.isFirstStart, false)
  await server.stop()
})

test('init --names allows the names, binds the issuing CA to them, and keeps what the file held', async () => {
  const home = newHome()
  await mkdir(home, { mode: 0o700 })
  await writeFile(join(home, 'chancery.yaml'), '# ours\nlog:\n  level: warn\n')
  await succeed(home, 'init', '--names', 'corp.example,*.flat.example,10.8.0.0/16', '--names', 'ca.example')
  const text = await readFile(join(home, 'chancery.yaml'), 'utf8')
  assert.match(text, /^# ours\n/)
  const { allow } = parse(text).policies.default as { allow: { dns: string[]; ip: string[] } }
  for (const name of ['corp.example', '**.corp.example', '*.flat.example', '**.internal'])
    assert.ok(allow.dns.includes(name), name)
  assert.ok(allow.ip.includes('10.8.0.0/16'))
  const ca = await certificate(join(home, 'chain.pem'))
  assert.ok(permits(ca, 'web.corp.example') && permits(ca, 'x.flat.example') && permits(ca, 'localhost'))
  assert.equal(permits(ca, 'other.example'), false)
  assert.match(await succeed(home, 'config', 'show'), /level: warn/)
})

test('init --no-default-names leaves the lab names out, and --no-name-constraints leaves the CA unbound', async () => {
  const bound = newHome()
  await succeed(bound, 'init', '--names', 'corp.example', '--no-default-names')
  const narrow = await certificate(join(bound, 'chain.pem'))
  assert.ok(permits(narrow, 'a.corp.example') && permits(narrow, 'localhost') && !permits(narrow, 'a.internal'))
  assert.ok(
    narrow.nameConstraints &&
      checkNameConstraints(narrow.nameConstraints, [{ type: 'ip', bytes: Buffer.from([10, 0, 0, 1]) }]).length > 0,
  )
  const free = newHome()
  await succeed(free, 'init', '--names', 'corp.example', '--no-name-constraints')
  assert.equal((await certificate(join(free, 'chain.pem'))).nameConstraints, undefined)
  assert.equal((await cli(newHome(), 'init', '--no-default-names')).code, 2)
})

test('names, key types and lifetimes of both certificates can be chosen, and wrong ones are refused', async () => {
  const home = newHome()
  const choice = ['--root-name', 'Corp Root R1', '--root-key-type', 'p-256', '--root-lifetime', '3650d']
  await succeed(
    home,
    'init',
    ...choice,
    '--issuer-name',
    'Corp Issuing I1',
    '--issuer-key-type',
    'P-384',
    '--issuer-lifetime',
    '365d',
  )
  const root = await certificate(join(home, 'root.pem'))
  const issuing = await certificate(join(home, 'chain.pem'))
  assert.ok(root.subjectDer.includes('Corp Root R1') && issuing.subjectDer.includes('Corp Issuing I1'))
  assert.deepEqual([root.publicKey.algorithm, issuing.publicKey.algorithm], ['P-256', 'P-384'])
  assert.equal(issuing.notAfter.getTime() - issuing.notBefore.getTime() + 1000, 365 * 86_400_000)
  assert.equal((await cli(newHome(), 'init', '--root-key-type', 'DSA')).code, 2)
  assert.equal((await cli(newHome(), 'init', '--root-lifetime', 'long')).code, 2)
  assert.equal((await cli(newHome(), 'init', '--names', 'a b')).code, 2)
})

test('a root elsewhere: request, wait, import', async () => {
  const home = newHome()
  assert.match(
    await succeed(home, 'init', '--offline-root', '--issuer-name', 'Corp Issuing'),
    /init --import-issuer <certificate\.pem> --root <root\.pem>/,
  )
  await assert.rejects(startTestChancery({ home }), /waits for its certificate/)
  assert.equal((await cli(home, 'init')).code, 1)

  const csr = parseCertificationRequest(
    decodePem(await readFile(join(home, 'issuer.csr'), 'utf8'))[0]?.der ?? Buffer.alloc(0),
  )
  assert.ok(verifyCertificationRequest(csr) && csr.requestsCa)
  const now = new Date()
  const root = await createRoot({ name: 'Other Root', keyKind: 'P-256', now, random })
  const signed = await certifyIssuingCa({
    name: 'Corp Issuing',
    root: { certificateDer: root.certificateDer, key: root.key.signingKey },
    spkiDer: csr.publicKey.der,
    now,
    random,
  })
  const stranger = await createRoot({ name: 'Stranger', keyKind: 'P-256', now, random })
  const forOther = await certifyIssuingCa({
    name: 'Corp Issuing',
    root: { certificateDer: root.certificateDer, key: root.key.signingKey },
    spkiDer: stranger.key.signingKey.spkiDer,
    now,
    random,
  })
  const files = {
    root: root.certificatePem,
    signed: signed.certificatePem,
    stranger: stranger.certificatePem,
    other: forOther.certificatePem,
  }
  for (const [name, pem] of Object.entries(files)) await writeFile(join(folder, `${name}.pem`), pem)
  const importing = (cert: string, rootFile: string) =>
    cli(home, 'init', '--import-issuer', join(folder, cert), '--root', join(folder, rootFile))

  const wrongKey = await importing('other.pem', 'root.pem')
  assert.equal(wrongKey.code, 1)
  assert.match(wrongKey.err, /does not belong to its certificate/, 'KF-G08')
  assert.equal((await importing('signed.pem', 'stranger.pem')).code, 1)
  assert.equal((await importing('root.pem', 'root.pem')).code, 1)
  await assert.rejects(stat(join(home, 'chain.pem')))

  const good = await importing('signed.pem', 'root.pem')
  assert.equal(good.code, 0, good.err)
  const server = await startTestChancery({ home })
  await server.stop()
  assert.equal(server.rootPem, root.certificatePem)

  const again = { root: { certificateDer: root.certificateDer, key: root.key.signingKey }, now, random }
  const spkiDer = csr.publicKey.der
  const renamed = await certifyIssuingCa({ name: 'Corp Issuing 2', spkiDer, ...again })
  const longer = await certifyIssuingCa({ name: 'Corp Issuing', spkiDer, lifetimeSeconds: 1000 * 86_400, ...again })
  const tbsDer = withKeyId(parseCertificate(longer.certificateDer), Buffer.alloc(20, 7))
  const otherKeyId = assembleSigned(tbsDer, 'ecdsa-with-SHA256', await root.key.signingKey.sign(tbsDer))
  await writeFile(join(folder, 'renamed.pem'), renamed.certificatePem)
  await writeFile(join(folder, 'other-key-id.pem'), encodePem('CERTIFICATE', otherKeyId))
  await writeFile(join(folder, 'longer.pem'), longer.certificatePem)
  for (const [file, fault] of [
    ['renamed.pem', /subject is not, byte for byte, .* move .*chain\.pem away/],
    ['other-key-id.pem', /subjectKeyIdentifier is not [0-9a-f]{40}, /],
  ] as const) {
    const refused = await importing(file, 'root.pem')
    assert.equal(refused.code, 1)
    assert.match(refused.err, fault)
    assert.equal(await readFile(join(home, 'chain.pem'), 'utf8'), signed.certificatePem)
  }
  assert.equal((await importing('longer.pem', 'root.pem')).code, 0)
  assert.equal(await readFile(join(home, 'chain.pem'), 'utf8'), longer.certificatePem)
  // The server's own certificate is good for days yet; what stands above it is the new one at once.
  const restarted = await startTestChancery({ home })
  const above = await issuerSeen(restarted).finally(() => restarted.stop())
  assert.ok(above.equals(longer.certificateDer))
})

/** The certificate that the server sends after its own. */
async function issuerSeen({ urls, rootPem }: TestChancery): Promise<Buffer> {
  const { hostname, port } = new URL(urls.base)
  const socket = connect({ host: hostname, port: Number(port), servername: hostname, ca: rootPem })
  try {
    await once(socket, 'secureConnect')
    return socket.getPeerCertificate(true).issuerCertificate.raw
  } finally {
    socket.destroy()
  }
}

/** The signed part of the same CA certificate, with another key identifier. */
function withKeyId(ca: ParsedCertificate, keyId: Buffer): Buffer {
  return buildTbsCertificate({
    serial: ca.serial,
    signatureAlgorithm: 'ecdsa-with-SHA256',
    issuerNameDer: ca.issuerDer,
    notBefore: ca.notBefore,
    notAfter: ca.notAfter,
    subjectNameDer: ca.subjectDer,
    spkiDer: ca.publicKey.der,
    extensions: [
      basicConstraints({ ca: true, pathLen: 0 }),
      keyUsage(['keyCertSign', 'cRLSign']),
      subjectKeyIdentifier(keyId),
    ],
  })
}

test('a further issuing CA is made under the same root, and a profile can use it', async () => {
  const home = newHome()
  await succeed(home, 'init')
  assert.match((await cli(home, 'init', '--issuer', 'second')).err, /no directory issues from second yet/)
  const set = ['profiles.batch.issuer=second', 'directories.batch.profile=batch']
  const flags = set.flatMap((text) => ['--set', text])
  assert.match(
    (await cli(home, 'check', ...flags)).out,
    /ERROR +issuers .*there is no issuing CA second.*init --issuer second/,
  )
  await succeed(home, 'init', '--issuer', 'second', ...flags)
  const server = await startTestChancery({ home, set })
  assert.deepEqual([...server.running.issuers.keys()].sort(), ['default', 'second'])
  assert.equal((await fetch(server.running.issuers.get('second')?.crlUrl ?? '')).status, 200)
  await server.stop()
})

test('KF-G08 the key of another CA in the place of ours stops the start and check', async () => {
  const home = newHome()
  const other = newHome()
  await succeed(home, 'init')
  await succeed(other, 'init')
  await copyFile(join(other, 'keys', 'default.key.pem'), join(home, 'keys', 'default.key.pem'))
  await assert.rejects(startTestChancery({ home }), /does not belong to its certificate/)
  const checked = await cli(home, 'check')
  assert.equal(checked.code, 1)
  assert.match(checked.out, /^ERROR +issuers .*does not belong to its certificate/m)
})

test('a state folder that lost a key, or its CA but not its database, is not given a new CA', async () => {
  const home = newHome()
  const first = await startTestChancery({ home })
  await first.stop()
  const files = {
    key: join(home, 'keys', 'default.key.pem'),
    chain: join(home, 'chain.pem'),
    root: join(home, 'root.pem'),
  }
  await unlink(files.key)
  await assert.rejects(startTestChancery({ home }), /default\.key\.pem.*Restore what is missing/s)
  await unlink(files.chain)
  await unlink(files.root)
  await assert.rejects(startTestChancery({ home }), /knows certificates, but the keys/)
})

test('KF-G07 with a passphrase file the online keys are encrypted at rest, and the server starts again with it only', async () => {
  const home = newHome()
  await mkdir(home, { mode: 0o700 })
  await writeFile(join(home, 'passphrase'), 'correct horse battery\n', { mode: 0o600 })
  const set = ['keys.passphraseFile=passphrase']
  for (const round of ['first', 'second']) {
    const server = await startTestChancery({ home, set })
    assert.equal((await fetch(`${server.urls.admin}/readyz`)).status, 200, round)
    await server.stop()
  }
  for (const file of ['default.key.pem', 'tls.key.pem'])
    assert.match(await readFile(join(home, 'keys', file), 'utf8'), /ENCRYPTED PRIVATE KEY/)
  assert.match(await readFile(join(home, 'keys', 'storage.key'), 'utf8'), / scrypt /)
  await assert.rejects(startTestChancery({ home }), /passphrase/)
})

test('a warning is logged when policy allows what the issuing CA was not made for', async () => {
  const home = newHome()
  await succeed(home, 'init')
  const server = await startTestChancery({
    home,
    set: ['policies.default.allow.dns=["**.corp.example", "**.internal"]'],
  })
  const gaps = server.log.of('issuer.name_constraints').map(({ gap }) => String(gap))
  assert.equal(gaps.length, 1)
  assert.match(gaps[0] ?? '', /\*\*\.corp\.example/)
  assert.doesNotMatch(gaps[0] ?? '', /internal/)
  await server.stop()
})

test('a profile that its issuing CA cannot serve, or that demands what nobody staples, is told at the start and by check', async () => {
  const home = newHome()
  await succeed(home, 'init')
  const set = [
    'profiles={"server":{},"build":{"type":"code-signing"},"staple":{"mustStaple":true}}',
    'directories.default.profiles=["build","staple"]',
  ]
  const server = await startTestChancery({ home, set })
  await server.stop()
  const told = server.log.lines.filter(({ event }) => event === 'profile.unusable')
  assert.deepEqual(
    told.map(({ level, fields }) => [fields['profile'], level]),
    [
      ['build', 'error'],
      ['staple', 'warn'],
    ],
  )
  const { out, code } = await cli(home, 'check', ...set.flatMap((one) => ['--set', one]))
  assert.match(out, /^ERROR +issuers .*profiles\.build: .*not for codeSigning.*chancery init --issuer/m)
  assert.match(out, /^WARN +issuers .*profiles\.staple\.mustStaple: .*take mustStaple out/m)
  assert.doesNotMatch(out, /profiles\.server/)
  assert.equal(code, 1)
})
