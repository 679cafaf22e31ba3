import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { RevocationReason } from '../../src/store/records.ts'
import { findProgram, needProgram, type Ran, run } from '../support/program.ts'
import { type Artefact, type Artefacts, collectArtefacts, type Installation, type LeafArtefact } from './artefacts.ts'
import { namesIn, PURPOSE_OIDS } from './leaf-facts.ts'

let collected: Artefacts | undefined
before(async () => {
  if (findProgram('openssl') !== undefined) collected = await collectArtefacts()
})
after(() => collected?.remove())

/** Each leaf with the installation it came from. */
function* leavesOf({ firstStart, configured }: Artefacts): Generator<readonly [LeafArtefact, Installation]> {
  for (const installation of [firstStart, configured])
    for (const leaf of installation.leaves) yield [leaf, installation] as const
}

const artefacts = (): Artefacts => collected ?? assert.fail('nothing was collected')
const openssl = (...args: string[]): Promise<Ran> => run('openssl', args)

/** Up to the root of its installation, by the strict reading of RFC 5280. */
function verify(leaf: LeafArtefact, root: Artefact, ...options: string[]): Promise<Ran> {
  const path = ['-CAfile', root.path, '-untrusted', leaf.issuer.path]
  return openssl('verify', '-x509_strict', '-check_ss_sig', ...options, ...path, leaf.path)
}

test('OpenSSL shows every certificate and CRL in full, without a complaint', async (t) => {
  if (needProgram(t, 'openssl') === undefined) return
  for (const { label, kind, path } of artefacts().all) {
    const shown = await openssl(kind === 'crl' ? 'crl' : 'x509', '-in', path, '-noout', '-text')
    assert.deepEqual([shown.code, shown.stderr], [0, ''], label)
    assert.match(shown.stdout, kind === 'crl' ? /Version 2 / : /Version: 3 /, label)
    // What it could not decode it prints as one of these.
    assert.doesNotMatch(shown.stdout, /<INVALID|<UNSUPPORTED|<Not Supported|Parse Error|Unable to load|\bBAD\b/i, label)
  }
})

test('OpenSSL verifies every leaf strictly, for its names and purposes, and for no others', async (t) => {
  if (needProgram(t, 'openssl') === undefined) return
  const judge = async (leaf: LeafArtefact, { root }: Installation): Promise<void> => {
    const certificate = new X509Certificate(leaf.der)
    const names = namesIn(certificate)
    for (const name of [names.at(0), names.at(-1)]) {
      assert.ok(name)
      const option = name.type === 'ip' ? '-verify_ip' : '-verify_hostname'
      const good = await verify(leaf, root, option, name.value.replace('*', 'any'))
      assert.deepEqual([good.code, good.stderr], [0, ''], leaf.label)
    }
    const other = await verify(leaf, root, '-verify_hostname', 'other.example.test')
    assert.match(other.stderr, /hostname mismatch/, leaf.label)
    for (const [purpose, option] of [
      ['serverAuth', 'sslserver'],
      ['clientAuth', 'sslclient'],
    ] as const) {
      const asked = await verify(leaf, root, '-purpose', option)
      if (certificate.keyUsage?.includes(PURPOSE_OIDS[purpose])) assert.equal(asked.code, 0, asked.stderr)
      else assert.match(asked.stderr, /unsuitable certificate purpose|unsupported certificate purpose/, leaf.label)
    }
  }
  for (const [leaf, installation] of leavesOf(artefacts())) await judge(leaf, installation)
})

test('two installations whose CAs have the same names: each leaf verifies up to its own root, also beside the other, and up to no other', async (t) => {
  if (needProgram(t, 'openssl') === undefined) return
  const { firstStart, configured, folder } = artefacts()
  const subjectOf = ({ der }: Artefact): string => new X509Certificate(der).subject
  assert.equal(subjectOf(firstStart.root), subjectOf(configured.root))
  const both = { ...firstStart.root, path: join(folder, 'both-roots.pem') }
  await writeFile(both.path, `${await readFile(firstStart.root.path)}${await readFile(configured.root.path)}`)
  for (const [leaf, other] of [
    [firstStart.leaves[0], configured],
    [configured.leaves[0], firstStart],
  ] as const) {
    assert.ok(leaf)
    assert.notEqual((await verify(leaf, other.root)).code, 0)
    const found = await verify(leaf, both)
    assert.equal(found.code, 0, found.stderr)
  }
})

test('CQ-C06 a client whose clock is behind accepts certificate and CRL at once', async (t) => {
  if (needProgram(t, 'openssl') === undefined) return
  const { root, leaves, crls } = artefacts().configured
  const leaf = leaves.find(({ label }) => label.endsWith(': one name'))
  const crl = crls.findLast(({ issuer }) => issuer === leaf?.issuer)
  assert.ok(leaf && crl)
  const behind = String(Math.floor(Date.now() / 1000) - 200)
  const verified = await verify(leaf, root, '-attime', behind, '-crl_check', '-CRLfile', crl.path)
  assert.equal(verified.code, 0, verified.stderr)
})

const REASONS: Readonly<Record<RevocationReason, string | undefined>> = {
  0: undefined,
  1: 'Key Compromise',
  3: 'Affiliation Changed',
  4: 'Superseded',
  5: 'Cessation Of Operation',
  9: 'Privilege Withdrawn',
}

test('KF-D12 OpenSSL confirms each CRL, finds as many entries as there are, and each with its reason', async (t) => {
  if (needProgram(t, 'openssl') === undefined) return
  const { firstStart, configured } = artefacts()
  const lists = [...firstStart.crls, ...configured.crls]
  const lengths = new Set(lists.map(({ entries }) => entries))
  for (const length of [0, 1, 6]) assert.ok(lengths.has(length), `there is no CRL with ${length} entries`)
  for (const crl of lists) {
    const shown = await openssl('crl', '-in', crl.path, '-CAfile', crl.issuer.path, '-noout', '-text')
    assert.match(shown.stderr, /verify OK/, crl.label)
    assert.equal(shown.stdout.match(/Serial Number:/g)?.length ?? 0, crl.entries, crl.label)
    assert.equal(shown.stdout.includes('No Revoked Certificates'), crl.entries === 0)
    assert.match(shown.stdout, /Issuing Distribution Point: critical\n +Full Name:\n +URI:http.*\n? *Only User Cert/)
  }
  const last = lists.findLast(({ entries }) => entries === 6)
  assert.ok(last)
  const { stdout } = await openssl('crl', '-in', last.path, '-noout', '-text')
  const entries = stdout.split('Serial Number: ').slice(1)
  for (const leaf of configured.leaves.filter(({ revoked }) => revoked !== undefined)) {
    const serial = new X509Certificate(leaf.der).serialNumber
    const entry = entries.find((text) => text.startsWith(serial)) ?? assert.fail(`${leaf.label} is not listed`)
    const reason = /CRL Reason Code: *\n +(.+)/.exec(entry)?.[1]
    assert.equal(reason, REASONS[leaf.revoked ?? assert.fail()], leaf.label)
  }
})

test('KF-D12 OpenSSL refuses by the CRL the leaves that are revoked and no others, and none before it was revoked', async (t) => {
  if (needProgram(t, 'openssl') === undefined) return
  for (const [leaf, { root, crls }] of leavesOf(artefacts())) {
    const own = crls.filter(({ issuer }) => issuer === leaf.issuer)
    const check = (crl: Artefact | undefined): Promise<Ran> =>
      verify(leaf, root, '-crl_check', '-CRLfile', crl?.path ?? assert.fail(`${leaf.label} has no CRL`))
    const [first, last] = await Promise.all([check(own.at(0)), check(own.at(-1))])
    assert.equal(first.code, 0, first.stderr)
    if (leaf.revoked === undefined) assert.equal(last.code, 0, last.stderr)
    else assert.match(last.stderr, /certificate revoked/, leaf.label)
    // The list of another CA says nothing about this leaf.
    const foreign = crls.find(({ issuer }) => issuer !== leaf.issuer)
    if (foreign !== undefined) assert.match((await check(foreign)).stderr, /unable to get certificate CRL/, leaf.label)
  }
})
