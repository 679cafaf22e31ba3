import assert from 'node:assert/strict'
import { createPublicKey, generateKeyPairSync, verify } from 'node:crypto'
import { test } from 'node:test'
import { inspect } from 'node:util'
import { SIGNATURE_ALGORITHMS } from '../x509/algorithms.ts'
import { DerReader } from '../x509/asn1/reader.ts'
import { PBKDF2_ITERATIONS } from './encrypted-key.ts'
import { SignerError } from './signer.ts'
import { generateKey, type KeyKind, loadSoftwareKey } from './software.ts'

const KINDS: readonly KeyKind[] = ['P-256', 'P-384', 'P-521', 'RSA-2048', 'Ed25519']

for (const kind of KINDS) {
  test(`a generated ${kind} key signs what its public key verifies, before and after a trip through a file`, async () => {
    const generated = await generateKey(kind)
    const loaded = loadSoftwareKey(await generated.privatePem())
    assert.ok(loaded.spkiDer.equals(generated.signingKey.spkiDer))
    const message = Buffer.from('to be signed')
    const publicKey = createPublicKey({ key: loaded.spkiDer, format: 'der', type: 'spki' })
    for (const key of [generated.signingKey, loaded]) {
      const { hash } = SIGNATURE_ALGORITHMS[key.algorithm]
      assert.ok(verify(hash, message, publicKey, await key.sign(message)))
    }
  })
}

test('a message too long for the loop is signed on the thread pool with the same result', async () => {
  const { signingKey } = await generateKey('P-256')
  const message = Buffer.alloc(100_000, 7)
  const publicKey = createPublicKey({ key: signingKey.spkiDer, format: 'der', type: 'spki' })
  assert.ok(verify('sha256', message, publicKey, await signingKey.sign(message)))
})

test('KF-G07 an encrypted key is PBES2 with 600,000 rounds, opens with its passphrase and with no other', async () => {
  const { privatePem, signingKey } = await generateKey('P-256')
  const pem = await privatePem('correct horse')
  assert.match(pem, /^-----BEGIN ENCRYPTED PRIVATE KEY-----\n/)
  assert.equal(iterationsOf(pem), PBKDF2_ITERATIONS)
  assert.ok(PBKDF2_ITERATIONS >= 600_000)
  assert.ok(loadSoftwareKey(pem, { passphrase: 'correct horse' }).spkiDer.equals(signingKey.spkiDer))
  for (const passphrase of ['wrong', '', undefined]) {
    assert.throws(() => loadSoftwareKey(pem, { passphrase }), { code: 'KEY_UNREADABLE' })
  }
  await assert.rejects(privatePem(''), /passphrase is empty/)
})

test('KF-G07 a key shows nothing of itself in logs, JSON or inspection', async () => {
  const { signingKey, privatePem } = await generateKey('Ed25519')
  const secret = Buffer.from((await privatePem()).split('\n')[1] ?? '', 'base64').subarray(-32)
  for (const text of [inspect(signingKey, { depth: 9, showHidden: true }), JSON.stringify(signingKey)]) {
    assert.ok(!text.includes(secret.toString('hex')) && !text.includes(secret.toString('base64')))
  }
  assert.deepEqual(Object.keys(signingKey).sort(), ['algorithm', 'spkiDer'])
})

test('SEC1 and PKCS#1 files are read, with the parameters block that OpenSSL puts before', () => {
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
  const parameters = '-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n'
  assert.equal(loadSoftwareKey(parameters + ec.export({ type: 'sec1', format: 'pem' })).algorithm, 'ecdsa-with-SHA256')
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
  assert.equal(
    loadSoftwareKey(rsa.export({ type: 'pkcs1', format: 'pem' }) as string).algorithm,
    'sha256WithRSAEncryption',
  )
})

test('keys that nobody should issue with are refused by name', () => {
  const pem = (key: { export(options: { type: 'pkcs8'; format: 'pem' }): string | Buffer }): string =>
    key.export({ type: 'pkcs8', format: 'pem' }) as string
  const refused: readonly (readonly [string, RegExp])[] = [
    [pem(generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey), /1024 bits/],
    [pem(generateKeyPairSync('rsa', { modulusLength: 2048, publicExponent: 3 }).privateKey), /65537/],
    [pem(generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).privateKey), /secp256k1/],
    [pem(generateKeyPairSync('x25519').privateKey), /x25519/],
    [pem(generateKeyPairSync('rsa-pss', { modulusLength: 2048 }).privateKey), /rsa-pss/],
  ]
  for (const [text, message] of refused) {
    assert.throws(
      () => loadSoftwareKey(text),
      (error) => error instanceof SignerError && error.code === 'KEY_UNREADABLE' && message.test(error.message),
    )
  }
})

test('a file that is not exactly one private key in strict PEM is refused without quoting it', async () => {
  const pem = await (await generateKey('P-256')).privatePem()
  const body = pem.split('\n')[1] ?? ''
  const files = [
    '',
    'hello',
    pem + pem,
    `comment\n${pem}`,
    pem.replaceAll('PRIVATE KEY', 'CERTIFICATE'),
    pem.replace(body, 'AAAA'),
    `-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\n${body}\n-----END RSA PRIVATE KEY-----\n`,
  ]
  for (const file of files) {
    assert.throws(
      () => loadSoftwareKey(file),
      (error) => error instanceof SignerError && error.code === 'KEY_UNREADABLE' && !error.message.includes(body),
    )
  }
})

function iterationsOf(pem: string): number {
  const der = Buffer.from(pem.split('\n').slice(1, -2).join(''), 'base64')
  const info = new DerReader(der).sequence()
  const scheme = info.sequence()
  scheme.oid()
  const derivation = scheme.sequence().sequence()
  derivation.oid()
  const parameters = derivation.sequence()
  parameters.octetString()
  return Number(BigInt(`0x${parameters.integer().toString('hex')}`))
}
