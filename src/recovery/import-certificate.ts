import type { Identifier } from '../lib/identifier.ts'
import { formatIpAddress } from '../lib/ip-address.ts'
import type { IssuedCertificate } from '../store/recovery.ts'
import { type ParsedCertificate, parseCertificate } from '../x509/certificate.ts'
import { verifySignature } from '../x509/signature.ts'

/** The name under which imported certificates stand in records; no configured profile can have it. */
const PROFILE_NAME = '(imported)'

/**
 * A record of a certificate of which nothing but itself is known.
 *
 * @throws {Error} when none of `issuers` signed it
 */
export function readForeignCertificate(
  der: Buffer,
  {
    issuers,
    directory,
    now,
  }: {
    readonly issuers: ReadonlyMap<string, ParsedCertificate>
    /** The ACME directory through which it may be revoked. */
    readonly directory: string
    readonly now: Date
  },
): IssuedCertificate {
  const certificate = parseCertificate(der)
  const issuerId = certificate.authorityKeyId?.toString('hex') ?? ''
  const issuer = issuers.get(issuerId)
  if (issuer === undefined || !verifySignature(certificate, issuer.publicKey))
    throw new Error(`certificate ${certificate.serialHex} is not signed by an issuing CA of this state folder`)
  const seconds = Math.round((certificate.notAfter.getTime() - certificate.notBefore.getTime()) / 1000)
  return {
    serial: certificate.serialHex,
    issuerId,
    directory,
    identifiers: namesOf(certificate),
    profile: {
      name: PROFILE_NAME,
      lifetimeSeconds: seconds,
      maxLifetimeSeconds: seconds,
      backdateSeconds: 0,
      extendedKeyUsages: [],
      subject: 'empty',
      issuer: '',
    },
    spkiSha256: certificate.publicKey.sha256,
    notBefore: certificate.notBefore,
    notAfter: certificate.notAfter,
    tbsDer: certificate.tbsDer,
    reservedAt: now,
    issuedAt: now,
    certificateDer: der,
  }
}

function namesOf({ subjectAltNames }: ParsedCertificate): Identifier[] {
  return subjectAltNames.flatMap((name): Identifier[] => {
    if (name.type === 'dns') return [{ type: 'dns', value: name.value }]
    return name.type === 'ip' ? [{ type: 'ip', value: formatIpAddress(name.bytes) }] : []
  })
}
