import type { TLSSocket } from 'node:tls'
import { connect as tlsConnect } from 'node:tls'
import { faultOfAcmeCertificate } from './acme-certificate.ts'
import { DeadlinePassed } from './deadline.ts'
import { ValidationFailure } from './failure.ts'
import { keyAuthorizationDigest } from './key-authorization.ts'
import type { Connection, Outbound } from './outbound.ts'
import type { Probe } from './probe.ts'
import { type Host, hostText } from './target.ts'

export interface TlsAlpn01Deps {
  readonly outbound: Outbound
  readonly port: number
}

/** The one protocol that is offered and must be chosen (RFC 8737 §6.2). */
const PROTOCOL = 'acme-tls/1'

/**
 * Proves control of a host by tls-alpn-01 (RFC 8737): TLS 1.2 or newer, `acme-tls/1` negotiated, and the certificate
 * that is asked of it. Nothing is sent after the handshake.
 *
 * @throws {ValidationFailure} with the reason; the signal's reason when the probe is called off
 */
export async function proveTlsAlpn01(
  challenge: { readonly host: Host; readonly keyAuthorization: string },
  deps: TlsAlpn01Deps,
  probe: Probe,
): Promise<void> {
  const { host } = challenge
  await deps.outbound.withConnection(host, deps.port, probe, async (connection) => {
    const where = `${hostText(host)} (${connection.address}, port ${connection.port})`
    const tls = await shakeHands(connection, serverName(host), where, probe.signal)
    try {
      const protocol = tls.alpnProtocol
      probe.evidence.responses.push({ scheme: 'tls', host: hostText(host), protocol: tls.getProtocol() ?? 'none' })
      // Without it this may be any server of a shared address, whose certificate proves nothing (KF-A17).
      if (protocol !== PROTOCOL) throw new ValidationFailure('tls', `${where} did not choose the protocol ${PROTOCOL}`)
      const der = tls.getPeerX509Certificate()?.raw
      if (der === undefined) throw new ValidationFailure('tls', `${where} showed no certificate`)
      const fault = faultOfAcmeCertificate(der, host, keyAuthorizationDigest(challenge.keyAuthorization))
      if (fault !== undefined) {
        throw new ValidationFailure('incorrectResponse', `The certificate of ${where} proves nothing: ${fault}`)
      }
    } finally {
      tls.destroy()
    }
  })
}

/**
 * The name in the ClientHello: that of the host, or for an address its reverse name without final dot
 * (RFC 8738 §6).
 */
export function serverName(host: Host): string {
  if (host.type === 'dns') return host.name
  if (host.bytes.length === 4) return `${[...host.bytes].reverse().join('.')}.in-addr.arpa`
  return `${[...host.bytes.toString('hex')].reverse().join('.')}.ip6.arpa`
}

function shakeHands(
  connection: Connection,
  servername: string,
  where: string,
  signal: AbortSignal,
): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      const isLate = signal.reason instanceof DeadlinePassed
      reject(
        isLate
          ? new ValidationFailure('connection', `${where} did not finish the TLS handshake in time`)
          : signal.reason,
      )
    }
    if (signal.aborted) return onAbort()
    signal.addEventListener('abort', onAbort, { once: true })
    const tls = tlsConnect({
      socket: connection.socket,
      servername,
      ALPNProtocols: [PROTOCOL],
      minVersion: 'TLSv1.2',
      rejectUnauthorized: false,
    })
    const failed = (cause?: Error): void => {
      signal.removeEventListener('abort', onAbort)
      reject(new ValidationFailure('tls', `The TLS handshake with ${where} failed: ${whyHandshake(cause)}`, { cause }))
    }
    tls.on('error', failed)
    tls.once('close', () => failed())
    tls.once('secureConnect', () => {
      signal.removeEventListener('abort', onAbort)
      resolve(tls)
    })
  })
}

const HANDSHAKE_ERRORS: Readonly<Record<string, string>> = {
  ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL: `it does not speak ${PROTOCOL}`,
  ERR_SSL_UNSUPPORTED_PROTOCOL: 'it does not speak TLS 1.2 or newer',
  ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION: 'it does not speak TLS 1.2 or newer',
  ERR_SSL_WRONG_VERSION_NUMBER: 'it does not speak TLS',
  ERR_SSL_PACKET_LENGTH_TOO_LONG: 'it does not speak TLS',
}

function whyHandshake(cause: Error | undefined): string {
  const code = cause !== undefined && 'code' in cause && typeof cause.code === 'string' ? cause.code : undefined
  return (code === undefined ? undefined : HANDSHAKE_ERRORS[code]) ?? 'it was broken off'
}
