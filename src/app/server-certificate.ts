import { createPrivateKey } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import type { Enrollment } from '../enrollment/enrollment.ts'
import type { TlsMaterial } from '../http/server.ts'
import { chainToServe, type Issuer } from '../issuance/issuer.ts'
import type { Clock } from '../lib/clock.ts'
import { type Identifier, identifierKey, parseIdentifier } from '../lib/identifier.ts'
import { newId } from '../lib/ids.ts'
import { formatIpAddress } from '../lib/ip-address.ts'
import { decodePem, encodePem } from '../lib/pem.ts'
import type { Random } from '../lib/random.ts'
import type { Logger } from '../observe/log.ts'
import type { Metrics } from '../observe/metrics.ts'
import { readSecretFile } from '../signer/key-file.ts'
import { generateKey, loadSoftwareKey } from '../signer/software.ts'
import type { ProfileSnapshot } from '../store/records.ts'
import { type ParsedCertificate, parseCertificate } from '../x509/certificate.ts'
import { parseSubjectPublicKey } from '../x509/spki.ts'
import { exists, type Home, HomeError, replaceFile } from './home.ts'

export interface ServerCertificateDeps {
  readonly home: Home
  readonly names: readonly Identifier[]
  readonly lifetimeSeconds: number
  readonly issuer: Issuer
  readonly enrollment: Enrollment
  readonly passphrase: string | undefined
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  readonly metrics: Metrics
}

export interface ServerCertificate {
  readonly tls: TlsMaterial
  /** When to ask for the next one: at two thirds of its life (KF-E15). */
  readonly renewAt: Date
  readonly notAfter: Date
}

/** The name under which the own certificate's profile stands in records; no configured profile can have it. */
const PROFILE_NAME = '(server)'
const BACKDATE_SECONDS = 300

/** @throws {HomeError} naming the one that cannot be in a certificate */
export function serverIdentifiers(names: readonly string[]): Identifier[] {
  return names.map((value) => {
    const dns = parseIdentifier({ type: 'dns', value })
    if (dns.ok) return dns.identifier
    const ip = parseIdentifier({ type: 'ip', value })
    if (ip.ok) return ip.identifier
    throw new HomeError(`our own certificate cannot hold ${value}; see publicUrl and tls.names`)
  })
}

/**
 * The certificate of our own HTTPS listener: the stored one while it is good, else a new one from the same road that
 * every other certificate takes.
 *
 * @throws {HomeError} when it is refused, saying why
 */
export async function obtainServerCertificate(deps: ServerCertificateDeps): Promise<ServerCertificate> {
  return (await loadStored(deps)) ?? (await enroll(deps))
}

/** The stored certificate, unless it is due, for other names, of another issuer, or does not fit its key. */
async function loadStored(deps: ServerCertificateDeps): Promise<ServerCertificate | undefined> {
  const { home, clock } = deps
  if (!(await exists(home.tlsPem)) || !(await exists(home.tlsKey))) return undefined
  try {
    const keyPem = await readSecretFile(home.tlsKey)
    const leaf = decodePem(await readFile(home.tlsPem, 'utf8'))[0]
    if (leaf === undefined) return undefined
    const certificate = parseCertificate(leaf.der)
    const key = loadSoftwareKey(keyPem, { passphrase: deps.passphrase })
    const fits =
      key.spkiDer.equals(certificate.publicKey.der) &&
      certificate.issuerDer.equals(deps.issuer.certificate.subjectDer) &&
      certificate.authorityKeyId?.toString('hex') === deps.issuer.id &&
      sameNames(certificate, deps.names)
    // Under the chain of today: the issuing CA may have been certified anew, and under another root, since this was stored.
    const cert = withChain(leaf.der, deps.issuer)
    const found = describe(certificate, { key: plainPem(keyPem, deps.passphrase), cert })
    return fits && clock.now() >= certificate.notBefore && clock.now() < found.renewAt ? found : undefined
  } catch (error) {
    deps.log.warn('tls.stored_unusable', { error, file: home.tlsPem })
    return undefined
  }
}

/** Always under a new key, so that no key of ours grows old. */
async function enroll(deps: ServerCertificateDeps): Promise<ServerCertificate> {
  const { home, issuer, random } = deps
  const key = await generateKey('P-256')
  const profile: ProfileSnapshot = {
    name: PROFILE_NAME,
    lifetimeSeconds: deps.lifetimeSeconds,
    maxLifetimeSeconds: deps.lifetimeSeconds,
    backdateSeconds: BACKDATE_SECONDS,
    extendedKeyUsages: ['serverAuth'],
    subject: 'empty',
    issuer: issuer.name,
  }
  const result = await deps.enrollment.enroll({
    requestId: newId(random, 'request', deps.clock.now()),
    requester: { kind: 'server' },
    identifiers: deps.names,
    publicKey: parseSubjectPublicKey(key.signingKey.spkiDer),
    profile,
  })
  if (result.outcome !== 'issued' || result.certificate.certificateDer === undefined) {
    throw new HomeError(`our own TLS certificate could not be issued: ${explain(result)}`)
  }
  const cert = withChain(result.certificate.certificateDer, issuer)
  await replaceFile(home.tlsKey, await key.privatePem(deps.passphrase), 0o600)
  await replaceFile(home.tlsPem, cert, 0o644)
  const found = describe(parseCertificate(result.certificate.certificateDer), { key: await key.privatePem(), cert })
  deps.log.info('tls.issued', {
    serial: result.certificate.serial,
    notAfter: found.notAfter,
    names: deps.names.map((name) => name.value),
  })
  deps.metrics.set('chancery_certificate_not_after_timestamp_seconds', found.notAfter.getTime() / 1000, {
    certificate: 'tls',
  })
  return found
}

function explain(result: Awaited<ReturnType<Enrollment['enroll']>>): string {
  switch (result.outcome) {
    case 'refused':
      return result.decision.reasons.map((reason) => reason.detail).join('; ')
    case 'unacceptable':
      return `${result.detail}. If the issuing CA's name constraints do not cover the host of publicUrl, it must be made for it: chancery init --help`
    case 'unavailable':
      return result.cause.message
    case 'issued':
    case 'processing':
    case 'busy':
    case 'not-ready':
    case 'failed':
      return `the attempt ended as ${result.outcome}; the log lines before this one say more`
    default:
      return result satisfies never
  }
}

function describe(certificate: ParsedCertificate, tls: TlsMaterial): ServerCertificate {
  const life = certificate.notAfter.getTime() - certificate.notBefore.getTime()
  return { tls, renewAt: new Date(certificate.notAfter.getTime() - life / 3), notAfter: certificate.notAfter }
}

function withChain(leafDer: Buffer, issuer: Issuer): string {
  return [leafDer, ...chainToServe(issuer)].map((der) => encodePem('CERTIFICATE', der)).join('')
}

function sameNames(certificate: ParsedCertificate, names: readonly Identifier[]): boolean {
  const held = certificate.subjectAltNames.map((name) => {
    if (name.type === 'dns') return identifierKey({ type: 'dns', value: name.value })
    return name.type === 'ip' ? identifierKey({ type: 'ip', value: formatIpAddress(name.bytes) }) : name.type
  })
  const wanted = names.map(identifierKey)
  return held.length === wanted.length && wanted.every((key) => held.includes(key))
}

/** The TLS stack takes a plain key; it stays in memory. */
function plainPem(pem: string, passphrase: string | undefined): string {
  if (passphrase === undefined || !pem.includes('ENCRYPTED')) return pem
  return createPrivateKey({ key: pem, passphrase }).export({ type: 'pkcs8', format: 'pem' }) as string
}
