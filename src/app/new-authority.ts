import { readFile } from 'node:fs/promises'
import type { NameConstraints } from '../ca/ca-certificate.ts'
import { createIssuingCa } from '../ca/issuing-ca.ts'
import { createRoot } from '../ca/root.ts'
import type { ResolvedConfig } from '../config/read.ts'
import { encodeBase64url } from '../lib/base64url.ts'
import { decodePem } from '../lib/pem.ts'
import type { Random } from '../lib/random.ts'
import { loadKeyFile } from '../signer/key-file.ts'
import type { KeyKind } from '../signer/software.ts'
import { DEFAULT_ISSUER, exists, type Home, HomeError } from './home.ts'
import { issuerPurposes } from './issuer-purposes.ts'
import { readPassphrase } from './passphrase.ts'
import { type NewFile, placeFiles } from './staged-files.ts'

export interface AuthorityPlan {
  readonly root: { readonly name: string; readonly keyKind: KeyKind; readonly lifetimeSeconds: number }
  readonly issuer: { readonly name: string; readonly keyKind: KeyKind; readonly lifetimeSeconds: number }
  /** Absent: the issuing CA may certify any name. */
  readonly nameConstraints?: NameConstraints | undefined
  /** Encrypts the root key. Absent: one is made and put beside it, in `offline/`. */
  readonly rootPassphrase?: string | undefined
  /** Encrypts the issuing key at rest. */
  readonly onlinePassphrase?: string | undefined
}

const DAY = 86_400

export const DEFAULT_AUTHORITY: Pick<AuthorityPlan, 'root' | 'issuer'> = {
  root: { name: 'Chancery Root CA', keyKind: 'P-384', lifetimeSeconds: 3652 * DAY },
  issuer: { name: 'Chancery Issuing CA', keyKind: 'P-256', lifetimeSeconds: 730 * DAY },
}

/** Where the root certificate is published, for the AIA of an issuing CA. */
export const rootCertificateUrl = (config: ResolvedConfig): string => `${config.publicHttpUrl}/root.cer`

/**
 * Makes a root and the default issuing CA under it, and puts both into the state folder in one step.
 *
 * @throws {CeremonyError | HomeError}
 */
export async function createAuthority(
  home: Home,
  config: ResolvedConfig,
  plan: AuthorityPlan,
  with_: { readonly now: Date; readonly random: Random },
): Promise<void> {
  const root = await createRoot({ ...plan.root, ...with_ })
  const issuer = await createIssuingCa({
    ...plan.issuer,
    ...with_,
    root: { certificateDer: root.certificateDer, key: root.key.signingKey },
    nameConstraints: plan.nameConstraints,
    extendedKeyUsages: issuerPurposes(config, DEFAULT_ISSUER),
    caIssuersUrl: rootCertificateUrl(config),
  })
  // 256 bits, written down by people who move it elsewhere.
  const passphrase = plan.rootPassphrase ?? encodeBase64url(with_.random.bytes(32))
  const files: NewFile[] = [
    { path: home.offlineRootKey, content: await root.key.privatePem(passphrase), secret: true },
    ...(plan.rootPassphrase === undefined
      ? [{ path: home.offlineRootPassphrase, content: `${passphrase}\n`, secret: true }]
      : []),
    { path: home.issuerKey(DEFAULT_ISSUER), content: await issuer.key.privatePem(plan.onlinePassphrase), secret: true },
    { path: home.rootPem, content: root.certificatePem, secret: false },
    { path: home.issuerChain(DEFAULT_ISSUER), content: issuer.certificatePem, secret: false },
  ]
  await placeFiles(home, files)
}

/**
 * Makes a further issuing CA under the root whose key is still in `offline/`.
 *
 * @throws {HomeError | CeremonyError | SignerError}
 */
export async function addIssuer(
  home: Home,
  config: ResolvedConfig,
  name: string,
  plan: Pick<AuthorityPlan, 'issuer' | 'nameConstraints' | 'rootPassphrase' | 'onlinePassphrase'>,
  with_: { readonly now: Date; readonly random: Random },
): Promise<void> {
  if (!(await exists(home.offlineRootKey))) {
    throw new HomeError(
      `${home.offlineRootKey} is not here: bring the root key back for this, or use --offline-root to have a request signed where it is`,
    )
  }
  const passphrase = plan.rootPassphrase ?? (await readPassphrase(home.offlineRootPassphrase))
  const rootKey = await loadKeyFile(home.offlineRootKey, { passphrase })
  const root = decodePem(await readFile(home.rootPem, 'utf8'))[0]
  if (root === undefined) throw new HomeError(`${home.rootPem} holds no certificate`)
  const issuer = await createIssuingCa({
    ...plan.issuer,
    ...with_,
    root: { certificateDer: root.der, key: rootKey },
    nameConstraints: plan.nameConstraints,
    extendedKeyUsages: issuerPurposes(config, name),
    caIssuersUrl: rootCertificateUrl(config),
  })
  await placeFiles(home, [
    { path: home.issuerKey(name), content: await issuer.key.privatePem(plan.onlinePassphrase), secret: true },
    { path: home.issuerChain(name), content: issuer.certificatePem, secret: false },
  ])
}
