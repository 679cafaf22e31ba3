import assert from 'node:assert/strict'
import { test } from 'node:test'
import { goodModulus, neighbourPrimesModulus, prime, rocaModulus } from '../../test/support/rsa-moduli.ts'
import { configSchema } from '../config/schema.ts'
import { type CheckableKey, checkPublicKey, loadKeyRules } from './key-policy.ts'
import { parseBlocklist } from './weak-keys/blocklist.ts'
import { PUBLISHED_KEYS } from './weak-keys/published-keys.ts'

const RULES = configSchema.parse({}).policies.default!.keys
const SHA256 = '00'.repeat(32)
const good = goodModulus(2048)

const rsa = (modulus: bigint, exponent = 65_537n, bits = modulus.toString(2).length): CheckableKey => ({
  algorithm: 'RSA',
  bits,
  sha256: SHA256,
  rsa: { modulus, exponent },
})

test('KF-B23 good keys of every kind may be certified', () => {
  assert.deepEqual(checkPublicKey(rsa(good), RULES), [])
  for (const algorithm of ['P-256', 'P-384', 'P-521', 'Ed25519'] as const) {
    assert.deepEqual(checkPublicKey({ algorithm, bits: 256, sha256: SHA256 }, RULES), [], algorithm)
  }
})

test('KF-B23 an RSA key needs the exponent 65537', () => {
  for (const exponent of [1n, 2n, 3n, 17n, 65_535n, 65_539n, (1n << 31n) + 1n]) {
    const faults = checkPublicKey(rsa(good, exponent), RULES)
    assert.equal(faults.length, 1, String(exponent))
    assert.match(faults[0]!, /65537/)
  }
})

test('KF-B23 a size out of range, or not a multiple of 8, is refused before any arithmetic', () => {
  for (const bits of [512, 1024, 2047, 2049, 4104, 8192, 16_384]) {
    // No modulus at all: whoever looked at it would say so.
    const faults = checkPublicKey({ algorithm: 'RSA', bits, sha256: SHA256 }, RULES)
    assert.equal(faults.length, 1)
    assert.match(faults[0]!, /2048 to 4096 bits/, String(bits))
  }
})

test('KF-B23 an RSA key whose numbers are not known is refused', () => {
  assert.match(checkPublicKey({ algorithm: 'RSA', bits: 2048, sha256: SHA256 }, RULES)[0]!, /not known/)
})

test('KF-B23 an algorithm that the policy does not name is refused', () => {
  const rules = { ...RULES, algorithms: ['P-256' as const] }
  assert.match(checkPublicKey(rsa(good), rules)[0]!, /use P-256/)
  assert.match(checkPublicKey({ algorithm: 'Ed25519', bits: 256, sha256: SHA256 }, rules)[0]!, /Ed25519/)
})

test('KF-C12 a weak key of each kind is refused, naming its fault', () => {
  const faultsOf = (modulus: bigint): string => checkPublicKey(rsa(modulus, 65_537n, 2048), RULES).join('\n')
  assert.match(faultsOf(751n * prime(2039)), /below 752/)
  assert.match(faultsOf(neighbourPrimesModulus(2048)), /too close/)
  assert.match(faultsOf(rocaModulus(2048)), /ROCA/)
})

test('KF-C12 a key that is known to be compromised is refused', () => {
  const published = { algorithm: 'P-256', bits: 256, sha256: PUBLISHED_KEYS[1]!.spkiSha256 } as const
  assert.match(checkPublicKey(published, RULES)[0]!, /RFC 9500/)
  const blocklist = parseBlocklist(SHA256, 'own.txt')
  assert.match(checkPublicKey(rsa(good), { ...RULES, blocklist })[0]!, /own\.txt/)
})

test('KF-C12 lists that are configured but were not read let no key pass', async () => {
  const configured = { ...RULES, blocklistFiles: ['keys.txt'] }
  assert.match(checkPublicKey(rsa(good), configured)[0]!, /not loaded/)
  assert.deepEqual(checkPublicKey(rsa(good), await loadKeyRules(RULES)), [])
  await assert.rejects(loadKeyRules({ ...RULES, blocklistFiles: ['/nonexistent/keys.txt'] }))
})
