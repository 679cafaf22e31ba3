import { readdir, readFile } from 'node:fs/promises'
import type { ResolvedConfig } from '../config/read.ts'
import { checkIssuer } from '../issuance/check-issuer.ts'
import { type Issuer, loadIssuer } from '../issuance/issuer.ts'
import type { Clock } from '../lib/clock.ts'
import { decodePem } from '../lib/pem.ts'
import { withDeadline } from '../signer/deadline.ts'
import { loadKeyFile } from '../signer/key-file.ts'
import { parseCertificate } from '../x509/certificate.ts'
import { DEFAULT_ISSUER, exists, type Home, HomeError } from './home.ts'

/** The names of all issuing CAs that the configuration uses; the default one is always among them. */
export function issuerNames(config: ResolvedConfig): string[] {
  return [...new Set([DEFAULT_ISSUER, ...Object.values(config.profiles).map((profile) => profile.issuer)])]
}

export const crlUrl = (config: ResolvedConfig, issuerId: string): string =>
  `${config.publicHttpUrl}/crl/${issuerId}.crl`
export const issuerCertificateUrl = (config: ResolvedConfig, issuerId: string): string =>
  `${config.publicHttpUrl}/issuer/${issuerId}.cer`

/**
 * Loads one issuing CA from the state folder.
 *
 * @throws {HomeError | IssuanceError | SignerError} naming the file that is missing or wrong
 */
export async function loadIssuerFromHome(
  home: Home,
  config: ResolvedConfig,
  name: string,
  passphrase: string | undefined,
): Promise<Issuer> {
  const chainPath = home.issuerChain(name)
  if (!(await exists(chainPath))) {
    throw new HomeError(
      `${chainPath} is missing: there is no issuing CA ${name}. Make it with: chancery init${name === DEFAULT_ISSUER ? '' : ` --issuer ${name}`}`,
    )
  }
  const chainPem = await readFile(chainPath, 'utf8')
  return loadIssuer({
    name,
    key: await loadKeyFile(home.issuerKey(name), { passphrase }),
    chainPem,
    rootPem: await rootAbove(home, chainPem),
    alternates: await readAlternates(home, name),
    crlUrl: (id) => crlUrl(config, id),
    caIssuersUrl: (id) => issuerCertificateUrl(config, id),
  })
}

/**
 * Loads every issuing CA in use and proves that each may issue now, by a trial signature with its key (KF-G08).
 *
 * @throws {HomeError} listing all problems of all of them
 */
export async function loadIssuers(
  home: Home,
  config: ResolvedConfig,
  passphrase: string | undefined,
  now: Date,
): Promise<ReadonlyMap<string, Issuer>> {
  const issuers = new Map<string, Issuer>()
  const problems: string[] = []
  for (const name of issuerNames(config)) {
    const issuer = await loadIssuerFromHome(home, config, name, passphrase)
    problems.push(...(await checkIssuer(issuer, now)))
    issuers.set(name, issuer)
  }
  const byId = new Map<string, string>()
  for (const { id, name } of issuers.values()) {
    const other = byId.get(id)
    if (other !== undefined) problems.push(`the issuing CAs ${other} and ${name} have the same key; each needs its own`)
    byId.set(id, name)
  }
  if (problems.length > 0) throw new HomeError(problems.join('\n'))
  return issuers
}

/** The same, with keys that cannot hang: a signer that does not answer is away (KF-E13). */
export function withSigningDeadline(issuers: ReadonlyMap<string, Issuer>, clock: Clock): ReadonlyMap<string, Issuer> {
  return new Map([...issuers].map(([name, issuer]) => [name, { ...issuer, key: withDeadline(issuer.key, clock) }]))
}

/** root.pem, if it is what the chain leads to; a further issuing CA may stand under another root. */
async function rootAbove(home: Home, chainPem: string): Promise<string | undefined> {
  if (!(await exists(home.rootPem))) return undefined
  const rootPem = await readFile(home.rootPem, 'utf8')
  const last = decodePem(chainPem).at(-1)
  const root = decodePem(rootPem)[0]
  if (last === undefined || root === undefined) return rootPem
  return parseCertificate(last.der).issuerDer.equals(parseCertificate(root.der).subjectDer) ? rootPem : undefined
}

async function readAlternates(home: Home, name: string): Promise<string[]> {
  const pattern = new RegExp(`^${name}\\.alternate-(\\d{1,2})\\.pem$`)
  const files = (await readdir(home.issuersFolder).catch(() => [] as string[]))
    .map((file) => ({ file, number: Number(pattern.exec(file)?.[1]) }))
    .filter(({ number }) => !Number.isNaN(number))
    .sort((a, b) => a.number - b.number)
  return Promise.all(files.map(({ file }) => readFile(`${home.issuersFolder}/${file}`, 'utf8')))
}
