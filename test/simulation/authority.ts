import { type Issuer, loadIssuer } from '../../src/issuance/issuer.ts'
import type { SigningKey } from '../../src/signer/signer.ts'
import { makeTestAuthority } from '../support/test-authority.ts'

/** The CA of the simulated world: made once by the real ceremonies, and loaded anew by each process. */
export interface Authority {
  readonly key: SigningKey
  /** As one process loads it, with its own way to the key. */
  issuer(key: SigningKey): Issuer
  readonly public: Issuer
}

export async function makeAuthority(now: Date): Promise<Authority> {
  let key: SigningKey | undefined
  const made = await makeTestAuthority({
    now,
    wrapKey: (inner) => {
      key = inner
      return inner
    },
  })
  if (key === undefined) throw new Error('the authority was made without its key')
  const issuer = (used: SigningKey): Issuer =>
    loadIssuer({
      name: 'default',
      key: used,
      chainPem: made.issuingCa.certificatePem,
      rootPem: made.root.certificatePem,
      crlUrl: (id) => `http://ca.test/crl/${id}.crl`,
      caIssuersUrl: (id) => `http://ca.test/issuer/${id}.cer`,
    })
  return { key, issuer, public: made.issuer }
}
