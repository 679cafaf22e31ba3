import assert from 'node:assert/strict'
import { createHash, createPublicKey } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { builtInBlocklist, loadBlocklists, opensslBlacklistHash, parseBlocklist } from './blocklist.ts'
import { HashList } from './hash-list.ts'
import { PUBLISHED_KEYS } from './published-keys.ts'

type Jwk = { readonly kty: string; readonly [member: string]: string }

/** RFC 9500 §2.1, testRSA2048. */
const RFC_9500_MODULUS =
  'sPnoGUOnrpiSqt4XynxA-HRP7S-BSObI6qJ7fQAVSPtRkqsotWxQYLEYzNEx5ZSHTGypibVsJylvCfuToDTfMul8b_CZjP2Ob0LdpYrNH6l5hvFE89' +
  'FU1nZQF15oVLOpUgA7wGiHuEVawrGfey92UE68mOyUVXGweJIVDdxqdMoPvNNUl86BU02vlBiESxOuox-dWmuVV7vfYZ79Toh_LUK43YvJh-rhv4nK' +
  'uF7iHjVjBd9sB6iDjj70HFldzOQ9r8SRI-9NirupPTkF5AKNe6kUhKJ1luB7S27ZkvB3tSTT3P593VVJvnzOjaA1z6Cz-4-eRvcysqhrRgFlwI9TEw'

const ED25519_8032 = '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo'
const ED25519_8410 = 'Gb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE'

/** Public keys as their documents print them. */
const DOCUMENTED: readonly (readonly [string, Jwk])[] = [
  ['RFC 9500 §2.1', { kty: 'RSA', n: RFC_9500_MODULUS, e: 'AQAB' }],
  ['RFC 9500 §2.3', p256('QiVI-I-3gv-17KN0RFLHKh5Vj71vc75eSOkyMsxFxbE', 'bEzRDEy41bihcTnpSILImSVymTQl9BQZq36QpCpJQnI')],
  ['RFC 7515', p256('f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU', 'x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0')],
  ['RFC 7517', p256('MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4', '4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM')],
  ['RFC 8032', { kty: 'OKP', crv: 'Ed25519', x: ED25519_8032 }],
  ['RFC 8410', { kty: 'OKP', crv: 'Ed25519', x: ED25519_8410 }],
]

function p256(x: string, y: string): Jwk {
  return { kty: 'EC', crv: 'P-256', x, y }
}

function spkiSha256(key: Jwk): string {
  const der = createPublicKey({ key, format: 'jwk' }).export({ type: 'spki', format: 'der' })
  return createHash('sha256').update(der).digest('hex')
}

const modulus = BigInt(`0x${Buffer.from(RFC_9500_MODULUS, 'base64url').toString('hex')}`)

test('KF-C12 keys whose private half is printed in a document are known', () => {
  for (const [source, jwk] of DOCUMENTED) {
    const found = builtInBlocklist.find({ sha256: spkiSha256(jwk) })
    assert.ok(found?.includes(source), `${source}: ${found}`)
  }
  assert.equal(builtInBlocklist.find({ sha256: '00'.repeat(32) }), undefined)
  assert.equal(new Set(PUBLISHED_KEYS.map((row) => row.spkiSha256)).size, PUBLISHED_KEYS.length)
})

test('KF-C12 a modulus is hashed as `openssl rsa -noout -modulus | sha1sum` does, last 20 digits', () => {
  // What OpenSSL 3 and sha1sum print for the key of RFC 9500 §2.1.
  assert.equal(opensslBlacklistHash(modulus).toString('hex'), '7d125478a1ddeaa684ee9fd664357ec53b076260'.slice(-20))
})

test('KF-C12 a list of Debian keys refuses the key it names, and a list of whole keys likewise', () => {
  const debian = parseBlocklist(
    '# keys of CVE-2008-0166\n00005890bc78bcbee3ca\n9fd664357ec53b076260\n',
    'blacklist.RSA-2048',
  )
  assert.equal(debian.find({ sha256: 'ff'.repeat(32), rsa: { modulus } }), 'it is listed in blacklist.RSA-2048')
  assert.equal(debian.find({ sha256: 'ff'.repeat(32), rsa: { modulus: modulus + 2n } }), undefined)
  assert.equal(debian.find({ sha256: 'ff'.repeat(32) }), undefined)
  const whole = parseBlocklist(`\r\n${'ab'.repeat(32)} # seen on a disk from the flea market\r\n`, 'own.txt')
  assert.equal(whole.find({ sha256: 'ab'.repeat(32) }), 'it is listed in own.txt')
  assert.equal(whole.find({ sha256: 'ac'.repeat(32), rsa: { modulus } }), undefined)
})

test('a list that cannot be read in full is refused with its line', () => {
  for (const line of [
    'abc',
    'AB'.repeat(32),
    'ab'.repeat(20),
    'ab'.repeat(32).slice(1),
    `${'ab'.repeat(32)}0`,
    'ab cd',
  ]) {
    assert.throws(() => parseBlocklist(`${'00'.repeat(32)}\n\n${line}\n`, 'x.txt'), /^Error: x\.txt, line 3: /, line)
  }
  assert.throws(() => parseBlocklist('# nothing\n', 'x.txt'), /x\.txt: .*empty/)
})

test('KF-C12 lists of files are read beside the built-in one; a missing file stops the start', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'chancery-blocklist-'))
  t.after(() => rm(folder, { recursive: true }))
  const path = join(folder, 'keys.txt')
  await writeFile(path, `${'12'.repeat(32)}\n`)
  const list = await loadBlocklists([path])
  assert.match(list.find({ sha256: '12'.repeat(32) }) ?? '', /keys\.txt/)
  assert.ok(list.find({ sha256: PUBLISHED_KEYS[0]!.spkiSha256 }))
  assert.equal(list.find({ sha256: '13'.repeat(32) }), undefined)
  await assert.rejects(loadBlocklists([join(folder, 'missing.txt')]), /missing\.txt/)
})

test('a hash list finds each of 0, 1, 2 and many hashes, and no other', () => {
  for (const count of [0, 1, 2, 3, 1000]) {
    const hashes = Array.from({ length: count }, (_, i) => createHash('sha256').update(`${i}`).digest())
    const list = new HashList(
      32,
      hashes.map((hash) => hash.toString('hex')),
    )
    for (const hash of hashes) assert.equal(list.has(hash), true)
    for (const other of ['x', 'y', 'z']) assert.equal(list.has(createHash('sha256').update(other).digest()), false)
    assert.equal(list.has(Buffer.alloc(0)), false)
    assert.equal(list.has(Buffer.alloc(31)), false)
  }
})
