import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { createSecureContext, createServer, type SecureContext } from 'node:tls'
import type { Identifier } from '../../src/lib/identifier.ts'
import { parseIpAddress } from '../../src/lib/ip-address.ts'
import { encodePem } from '../../src/lib/pem.ts'
import { octetString } from '../../src/x509/asn1/writer.ts'
import { extension, subjectAltName } from '../../src/x509/extensions.ts'
import { buildName } from '../../src/x509/name.ts'
import { OID } from '../../src/x509/oids.ts'
import { assembleSigned, buildTbsCertificate } from '../../src/x509/tbs-certificate.ts'
import { listen, type Target } from './http-target.ts'

/** A ClientHello as far as a responder can key on it. */
export interface RecordedHello {
  readonly servername: string
  readonly protocols: readonly string[]
}

export interface TlsAlpnTarget extends Target {
  readonly hellos: RecordedHello[]
  /** Answers tls-alpn-01 for the identifier with a certificate of the right form, or the given one. */
  provision(identifier: Identifier, keyAuthorization: string, certificate?: TestCertificate): void
}

export interface TestCertificate {
  readonly der: Buffer
  readonly certPem: string
  readonly keyPem: string
}

/**
 * A self-signed certificate with just these extensions; by default of a P-256 key, signed by itself.
 *
 * @param options.issuer a name other than its own, and `signer` a key other than its own, for a forged one
 */
export function selfSigned(
  extensions: readonly Buffer[],
  options: { readonly issuer?: string; readonly signer?: KeyObject } = {},
): TestCertificate {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const subject = buildName([{ type: 'CN', value: 'acme challenge' }])
  const tbs = buildTbsCertificate({
    serial: Buffer.of(0x11),
    signatureAlgorithm: 'ecdsa-with-SHA256',
    issuerNameDer: options.issuer === undefined ? subject : buildName([{ type: 'CN', value: options.issuer }]),
    notBefore: new Date('2020-01-01T00:00:00Z'),
    notAfter: new Date('2020-01-02T00:00:00Z'),
    subjectNameDer: subject,
    spkiDer: publicKey.export({ type: 'spki', format: 'der' }),
    extensions,
  })
  const der = assembleSigned(tbs, 'ecdsa-with-SHA256', sign('sha256', tbs, options.signer ?? privateKey))
  return {
    der,
    certPem: encodePem('CERTIFICATE', der),
    keyPem: String(privateKey.export({ type: 'pkcs8', format: 'pem' })),
  }
}

/** The acmeIdentifier extension (RFC 8737 §3). */
export function acmeIdentifier(keyAuthorization: string, options: { critical?: boolean; oid?: string } = {}): Buffer {
  const digest = createHash('sha256').update(keyAuthorization).digest()
  return extension(options.oid ?? OID.acmeIdentifier, options.critical ?? true, octetString(digest))
}

export function acmeCertificate(identifier: Identifier, keyAuthorization: string): TestCertificate {
  return selfSigned([subjectAltName([identifier], false), acmeIdentifier(keyAuthorization)])
}

/** A tls-alpn-01 responder that picks its certificate by SNI, and records every hello. */
export async function startTlsAlpnTarget(
  options: { readonly address?: string; readonly maxVersion?: 'TLSv1.2' | 'TLSv1.3' } = {},
): Promise<TlsAlpnTarget> {
  const contexts = new Map<string, SecureContext>()
  const hellos: RecordedHello[] = []
  const fallback = selfSigned([subjectAltName([{ type: 'dns', value: 'other.test' }], false)])
  const server = createServer({
    key: fallback.keyPem,
    cert: fallback.certPem,
    ...(options.maxVersion === undefined ? {} : { maxVersion: options.maxVersion }),
    ALPNCallback: ({ servername, protocols }) => {
      hellos.push({ servername, protocols })
      return protocols.includes('acme-tls/1') ? 'acme-tls/1' : undefined
    },
    SNICallback: (servername, done) => done(null, contexts.get(servername)),
  })
  server.on('tlsClientError', () => {})
  server.on('secureConnection', (socket) => socket.on('error', () => {}))
  const target = await listen(server, options)
  return {
    get port() {
      return target.port
    },
    get accepted() {
      return target.accepted
    },
    get open() {
      return target.open
    },
    close: target.close,
    hellos,
    provision(identifier, keyAuthorization, certificate = acmeCertificate(identifier, keyAuthorization)) {
      const context = createSecureContext({ key: certificate.keyPem, cert: certificate.certPem })
      contexts.set(sniOf(identifier), context)
    },
  }
}

function sniOf(identifier: Identifier): string {
  if (identifier.type === 'dns') return identifier.value
  const parsed = parseIpAddress(identifier.value)
  if (!parsed.ok) throw new Error(`not an address: ${identifier.value}`)
  return parsed.bytes.length === 4
    ? `${[...parsed.bytes].reverse().join('.')}.in-addr.arpa`
    : `${[...parsed.bytes.toString('hex')].reverse().join('.')}.ip6.arpa`
}
