import { readFile, rm } from 'node:fs/promises'
import { issuingCaCsr } from '../ca/csr.ts'
import { checkImported, type ImportReport } from '../ca/import.ts'
import { decodePem, encodePem } from '../lib/pem.ts'
import { loadKeyFile } from '../signer/key-file.ts'
import { generateKey, type KeyKind } from '../signer/software.ts'
import { parseCertificate } from '../x509/certificate.ts'
import { DEFAULT_ISSUER, exists, type Home, HomeError, replaceFile } from './home.ts'
import { type NewFile, placeFiles } from './staged-files.ts'

/**
 * Makes the key of an issuing CA and a request for its certificate, for a root that is elsewhere.
 *
 * @throws {HomeError | CeremonyError}
 */
export async function requestIssuer(
  home: Home,
  issuer: string,
  plan: { readonly name: string; readonly keyKind: KeyKind },
  passphrase: string | undefined,
): Promise<void> {
  const key = await generateKey(plan.keyKind)
  const { csrPem } = await issuingCaCsr({ name: plan.name, key: key.signingKey })
  await placeFiles(home, [
    { path: home.issuerKey(issuer), content: await key.privatePem(passphrase), secret: true },
    { path: home.issuerCsr(issuer), content: csrPem, secret: false },
  ])
}

/**
 * Takes in the certificate that a root elsewhere made for our key, after checking that it may be used. Nothing is
 * stored when the report has problems.
 *
 * @throws {HomeError} when a file is not what it should be
 */
export async function importIssuer(
  home: Home,
  issuer: string,
  given: {
    readonly issuerPem: string
    readonly rootPem: string
    readonly passphrase: string | undefined
    readonly now: Date
  },
): Promise<ImportReport> {
  const [certificate, ...intermediates] = certificates(given.issuerPem, '--import-issuer')
  const roots = certificates(given.rootPem, '--root')
  const [root] = roots
  if (certificate === undefined || root === undefined || roots.length !== 1)
    throw new HomeError('--import-issuer needs a certificate, --root exactly one')
  const withoutRoot = intermediates.filter((der) => !der.equals(root))
  const key = await loadKeyFile(home.issuerKey(issuer), { passphrase: given.passphrase })
  const checked = await checkImported(certificate, [...withoutRoot, root], key, given.now)
  const report = {
    ...checked,
    problems: [...checked.problems, ...(await successorProblems(home, issuer, certificate))],
  }
  if (report.problems.length > 0) return report
  const asPem = (der: Buffer): string => encodePem('CERTIFICATE', der)
  const files: NewFile[] = [
    { path: home.issuerChain(issuer), content: [certificate, ...withoutRoot].map(asPem).join(''), secret: false },
  ]
  if (await exists(home.rootPem)) {
    const known = certificates(await readFile(home.rootPem, 'utf8'), 'root.pem')[0]
    // A further issuing CA may stand under another root, which then travels with its chain.
    if (known?.equals(root) !== true) {
      if (issuer === DEFAULT_ISSUER)
        throw new HomeError(`${home.rootPem} is another root; move it away first if it is no longer the trust anchor`)
      files[0] = {
        path: home.issuerChain(issuer),
        content: [certificate, ...withoutRoot, root].map(asPem).join(''),
        secret: false,
      }
    }
  } else {
    files.push({ path: home.rootPem, content: asPem(root), secret: false })
  }
  await placeOrReplace(home, files)
  await rm(home.issuerCsr(issuer), { force: true })
  return report
}

/**
 * What makes the certificate another CA than the one that it would replace, to everybody who holds a certificate of that:
 * paths and CRLs are found by the issuer's name and key identifier, both of which stand in what was issued (RFC 5280 §4.2.1.1, §6.3.3).
 */
async function successorProblems(home: Home, issuer: string, der: Buffer): Promise<string[]> {
  const path = home.issuerChain(issuer)
  const replaced = (await exists(path)) ? certificates(await readFile(path, 'utf8'), path)[0] : undefined
  if (replaced === undefined) return []
  const [before, after] = [parseCertificate(replaced), parseCertificate(der)]
  const advice = `what was issued could no longer be verified nor shown as revoked. If nothing was issued yet, move ${path} away first`
  const problems: string[] = []
  if (!after.subjectDer.equals(before.subjectDer))
    problems.push(`its subject is not, byte for byte, that of the certificate that it replaces: ${advice}`)
  const [keyId, newKeyId] = [before.subjectKeyId?.toString('hex'), after.subjectKeyId?.toString('hex')]
  if (newKeyId !== keyId)
    problems.push(`its subjectKeyIdentifier is not ${keyId}, that of the certificate that it replaces: ${advice}`)
  return problems
}

/** A chain may be replaced by its successor for the same key; everything else is new. */
async function placeOrReplace(home: Home, files: readonly NewFile[]): Promise<void> {
  const [chain, ...others] = files
  if (chain !== undefined && (await exists(chain.path))) {
    await placeFiles(home, others)
    await replaceFile(chain.path, chain.content, 0o644)
  } else {
    await placeFiles(home, files)
  }
}

function certificates(pem: string, where: string): Buffer[] {
  try {
    return decodePem(pem).map((block) => {
      if (block.label !== 'CERTIFICATE') throw new Error(`it holds a ${block.label.slice(0, 40)}`)
      parseCertificate(block.der)
      return block.der
    })
  } catch (cause) {
    throw new HomeError(`${where}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
  }
}
