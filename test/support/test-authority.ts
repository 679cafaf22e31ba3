import { createIssuingCa, type IssuingCaOptions } from '../../src/ca/issuing-ca.ts'
import { createRoot, type NewCa } from '../../src/ca/root.ts'
import { type Issuer, loadIssuer } from '../../src/issuance/issuer.ts'
import type { SigningKey } from '../../src/signer/signer.ts'
import type { KeyKind } from '../../src/signer/software.ts'
import { SeededRandom } from './seeded-random.ts'

/** A real root and issuing CA, made by the ceremonies; P-256 throughout, because P-384 is slow and tests are many. */
export interface TestAuthority {
  readonly root: NewCa
  readonly issuingCa: NewCa
  readonly issuer: Issuer
  /** How often the issuing key has signed since the authority was made. */
  readonly signatures: () => number
}

export interface TestAuthorityOptions {
  readonly now?: Date
  readonly name?: string
  readonly issuingKeyKind?: KeyKind
  readonly rootKeyKind?: KeyKind
  readonly rootLifetimeSeconds?: number
  readonly issuing?: Partial<
    Pick<IssuingCaOptions, 'lifetimeSeconds' | 'backdateSeconds' | 'nameConstraints' | 'extendedKeyUsages'>
  >
  readonly seed?: string
  /** Put between the issuer and its key, to fail, delay or lie. */
  readonly wrapKey?: (key: SigningKey) => SigningKey
}

export const TEST_NAMES = { dns: ['test', 'internal'], ip: ['10.0.0.0/8', 'fd00::/8'] } as const

export async function makeTestAuthority(options: TestAuthorityOptions = {}): Promise<TestAuthority> {
  const now = options.now ?? new Date('2026-03-01T12:00:00Z')
  const name = options.name ?? 'default'
  const random = new SeededRandom(`${options.seed ?? 'authority'} ${name}`)
  const root = await createRoot({
    name: `Test Root ${name}`,
    organization: 'Chancery Tests',
    keyKind: options.rootKeyKind ?? 'P-256',
    lifetimeSeconds: options.rootLifetimeSeconds,
    now,
    random,
  })
  const issuingCa = await createIssuingCa({
    name: `Test Issuing CA ${name}`,
    organization: 'Chancery Tests',
    keyKind: options.issuingKeyKind ?? 'P-256',
    now,
    random,
    root: { certificateDer: root.certificateDer, key: root.key.signingKey },
    nameConstraints: TEST_NAMES,
    caIssuersUrl: 'http://ca.test/root.cer',
    ...options.issuing,
  })
  let count = 0
  const inner = issuingCa.key.signingKey
  const counting: SigningKey = {
    spkiDer: inner.spkiDer,
    algorithm: inner.algorithm,
    sign(message) {
      count++
      return inner.sign(message)
    },
  }
  const issuer = loadIssuer({
    name,
    key: options.wrapKey?.(counting) ?? counting,
    chainPem: issuingCa.certificatePem,
    rootPem: root.certificatePem,
    crlUrl: (id) => `http://ca.test/crl/${id}.crl`,
    caIssuersUrl: (id) => `http://ca.test/issuer/${id}.cer`,
  })
  return { root, issuingCa, issuer, signatures: () => count }
}
