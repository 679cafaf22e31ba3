import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { after, afterEach, before, beforeEach, test } from 'node:test'
import { createServer } from 'node:tls'
import { type FakeDns, startFakeDns } from '../../test/support/fake-dns.ts'
import { listen, startTcpTarget } from '../../test/support/http-target.ts'
import {
  anOutbound,
  aProbe,
  aResolver,
  dnsHost,
  ipHost,
  KEY_AUTHORIZATION,
  TOKEN,
  until,
} from '../../test/support/probe.ts'
import {
  acmeCertificate,
  acmeIdentifier,
  selfSigned,
  startTlsAlpnTarget,
  type TestCertificate,
  type TlsAlpnTarget,
} from '../../test/support/tls-alpn-target.ts'
import { systemClock } from '../lib/clock.ts'
import type { Identifier } from '../lib/identifier.ts'
import { boolean, contextConstructed, contextPrimitive, octetString, oid, sequence } from '../x509/asn1/writer.ts'
import { extension, subjectAltName } from '../x509/extensions.ts'
import { OID } from '../x509/oids.ts'
import { withDeadline } from './deadline.ts'
import { type FailureType, ValidationFailure } from './failure.ts'
import type { Outbound } from './outbound.ts'
import type { Host } from './target.ts'
import { proveTlsAlpn01, serverName } from './tls-alpn-01.ts'

const NAME = 'www.corp.test'
const IDENTIFIER: Identifier = { type: 'dns', value: NAME }

let dns: FakeDns
let responder: TlsAlpnTarget
let outbound: Outbound
before(async () => {
  dns = await startFakeDns()
  dns.set(NAME, 'A', '127.0.0.1')
})
after(() => dns.close())
beforeEach(async () => {
  responder = await startTlsAlpnTarget()
  outbound = anOutbound(aResolver([dns.resolver]))
})
afterEach(() => responder.close())

async function prove(host: Host = dnsHost(NAME), port = responder.port, signal?: AbortSignal): Promise<void> {
  await proveTlsAlpn01({ host, keyAuthorization: KEY_AUTHORIZATION }, { outbound, port }, aProbe(signal))
}

async function refused(attempt: Promise<void>, type: FailureType, detail: RegExp): Promise<void> {
  await assert.rejects(attempt, (error) => {
    assert.ok(error instanceof ValidationFailure, String(error))
    assert.deepEqual([error.type, detail.test(error.message)], [type, true], error.message)
    return true
  })
}

test('the right certificate proves control by TLS 1.3 and by TLS 1.2', async () => {
  responder.provision(IDENTIFIER, KEY_AUTHORIZATION)
  await prove()
  const older = await startTlsAlpnTarget({ maxVersion: 'TLSv1.2' })
  older.provision(IDENTIFIER, KEY_AUTHORIZATION)
  await prove(dnsHost(NAME), older.port)
  await older.close()
})

test('CQ-V15 the hello offers acme-tls/1 alone and names the host; an address by its reverse name', async () => {
  responder.provision({ type: 'ip', value: '127.0.0.1' }, KEY_AUTHORIZATION)
  responder.provision(IDENTIFIER, KEY_AUTHORIZATION)
  await prove()
  await prove(ipHost('127.0.0.1'))
  assert.deepEqual(responder.hellos, [
    { servername: NAME, protocols: ['acme-tls/1'] },
    { servername: '1.0.0.127.in-addr.arpa', protocols: ['acme-tls/1'] },
  ])
  assert.equal(
    serverName(ipHost('2001:db8::1')),
    '1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa',
  )
})

const otherKey = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
const san = (...names: Identifier[]): Buffer => subjectAltName(names, false)
const good = acmeIdentifier(KEY_AUTHORIZATION)
const rawSan = (...names: Buffer[]): Buffer => extension(OID.subjectAltName, false, sequence(...names))
const dnsName = (text: string): Buffer => contextPrimitive(2, Buffer.from(text))
const digest = Buffer.from('fdc0b9aef07dbccf2acd3dcc4c1713795a50c2d6cdca9057c909c4e1f84cf504', 'hex')
const critical = (value: Buffer): Buffer => extension(OID.acmeIdentifier, true, value)

const BAD: [string, TestCertificate, RegExp][] = [
  ['no acmeIdentifier', selfSigned([san(IDENTIFIER)]), /no acmeIdentifier/],
  [
    'the obsolete OID',
    selfSigned([san(IDENTIFIER), acmeIdentifier(KEY_AUTHORIZATION, { oid: '1.3.6.1.5.5.7.1.30.1' })]),
    /no acmeIdentifier/,
  ],
  [
    'acmeIdentifier not critical',
    selfSigned([san(IDENTIFIER), acmeIdentifier(KEY_AUTHORIZATION, { critical: false })]),
    /not critical/,
  ],
  ['acmeIdentifier twice', selfSigned([san(IDENTIFIER), good, good]), /cannot be read.*twice/],
  ['subjectAltName twice', selfSigned([san(IDENTIFIER), san(IDENTIFIER), good]), /cannot be read.*twice/],
  [
    'the digest of another key authorization',
    selfSigned([san(IDENTIFIER), acmeIdentifier(`${TOKEN}.${'A'.repeat(43)}`)]),
    /does not hold the digest/,
  ],
  ['the digest without its OCTET STRING', selfSigned([san(IDENTIFIER), critical(digest)]), /does not hold the digest/],
  [
    'octets after the digest',
    selfSigned([san(IDENTIFIER), critical(Buffer.concat([octetString(digest), Buffer.of(0)]))]),
    /does not hold the digest/,
  ],
  [
    'a digest of 33 octets',
    selfSigned([san(IDENTIFIER), critical(octetString(Buffer.concat([digest, Buffer.of(0)])))]),
    /does not hold the digest/,
  ],
  ['an empty acmeIdentifier', selfSigned([san(IDENTIFIER), critical(Buffer.alloc(0))]), /does not hold the digest/],
  ['no subjectAltName', selfSigned([good]), /exactly one dNSName, www\.corp\.test/],
  ['another name', selfSigned([san({ type: 'dns', value: 'corp.test' }), good]), /exactly one dNSName/],
  ['a wildcard over the name', selfSigned([san({ type: 'dns', value: '*.corp.test' }), good]), /exactly one dNSName/],
  ['a second name', selfSigned([san(IDENTIFIER, { type: 'dns', value: 'b.test' }), good]), /exactly one dNSName/],
  ['the name twice', selfSigned([san(IDENTIFIER, IDENTIFIER), good]), /exactly one dNSName/],
  [
    'a second name of another kind',
    selfSigned([rawSan(dnsName(NAME), contextPrimitive(1, Buffer.from('a@b.test'))), good]),
    /exactly one dNSName/,
  ],
  [
    'an otherName beside it',
    selfSigned([
      rawSan(dnsName(NAME), contextConstructed(0, oid('1.2.3'), contextConstructed(0, boolean(true)))),
      good,
    ]),
    /exactly one dNSName/,
  ],
  [
    'an address instead of the name',
    selfSigned([san({ type: 'ip', value: '127.0.0.1' }), good]),
    /exactly one dNSName/,
  ],
  ['the name with a dot at its end', selfSigned([rawSan(dnsName(`${NAME}.`)), good]), /exactly one dNSName/],
  ['another issuer', selfSigned([san(IDENTIFIER), good], { issuer: 'someone else' }), /not self-signed/],
  ['a signature by another key', selfSigned([san(IDENTIFIER), good], { signer: otherKey }), /not self-signed/],
]

for (const [what, certificate, detail] of BAD) {
  test(`KF-A16 a certificate with ${what} proves nothing`, async () => {
    responder.provision(IDENTIFIER, KEY_AUTHORIZATION, certificate)
    await refused(prove(), 'incorrectResponse', detail)
  })
}

test('KF-A16 a name in upper case is the same name (RFC 8737 §3)', async () => {
  responder.provision(IDENTIFIER, KEY_AUTHORIZATION, selfSigned([rawSan(dnsName('WWW.Corp.TEST')), good]))
  await prove()
})

test('KF-A16 for an address the one name is that address, and not its text as a dNSName', async () => {
  const identifier: Identifier = { type: 'ip', value: '127.0.0.1' }
  for (const names of [
    [dnsName('127.0.0.1')],
    [dnsName('1.0.0.127.in-addr.arpa')],
    [contextPrimitive(7, Buffer.of(127, 0, 0, 2))],
  ]) {
    responder.provision(identifier, KEY_AUTHORIZATION, selfSigned([rawSan(...names), good]))
    await refused(prove(ipHost('127.0.0.1')), 'incorrectResponse', /exactly one iPAddress, 127\.0\.0\.1/)
  }
})

test('KF-A16 TLS 1.1 is not spoken', async (t) => {
  const { certPem, keyPem } = acmeCertificate(IDENTIFIER, KEY_AUTHORIZATION)
  const server = createServer({
    key: keyPem,
    cert: certPem,
    ALPNProtocols: ['acme-tls/1'],
    minVersion: 'TLSv1',
    maxVersion: 'TLSv1.1',
    ciphers: 'DEFAULT@SECLEVEL=0',
  })
  server.on('tlsClientError', () => {})
  const old = await listen(server)
  t.after(() => old.close())
  await refused(prove(dnsHost(NAME), old.port), 'tls', /does not speak TLS 1\.2 or newer/)
})

test('KF-A17 a host that answers without choosing acme-tls/1 fails, however good its certificate', async (t) => {
  const { certPem, keyPem } = acmeCertificate(IDENTIFIER, KEY_AUTHORIZATION)
  const server = createServer({ key: keyPem, cert: certPem })
  const plain = await listen(server)
  t.after(() => plain.close())
  await refused(prove(dnsHost(NAME), plain.port), 'tls', /did not choose the protocol acme-tls\/1/)

  const http = createServer({ key: keyPem, cert: certPem, ALPNProtocols: ['http/1.1', 'h2'] })
  http.on('tlsClientError', () => {})
  const web = await listen(http)
  t.after(() => web.close())
  await refused(prove(dnsHost(NAME), web.port), 'tls', /does not speak acme-tls\/1/)
})

test('KF-A17 the default certificate of a shared host, though acme-tls/1 is chosen, proves nothing', async () => {
  responder.provision({ type: 'dns', value: 'neighbour.test' }, KEY_AUTHORIZATION)
  await refused(prove(), 'incorrectResponse', /exactly one dNSName/)
})

test('KF-A11 the same door guards tls-alpn-01: a refused address sees no connection', async () => {
  outbound = anOutbound(aResolver([dns.resolver]), { allow: [] })
  await refused(prove(), 'connection', /loopback/)
  await refused(prove(ipHost('127.0.0.1')), 'connection', /loopback/)
  assert.equal(responder.accepted, 0)
})

test('KF-A15 a host that speaks no TLS, breaks off or keeps silent fails in time and frees its place', async () => {
  const behaviours: [Parameters<typeof startTcpTarget>[0], FailureType][] = [
    [(socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'), 'tls'],
    [(socket) => socket.destroy(), 'tls'],
    [() => {}, 'connection'],
  ]
  for (const [behaviour, type] of behaviours) {
    const host = await startTcpTarget(behaviour)
    const attempt = withDeadline(systemClock, 150, aProbe().signal, (signal) => prove(dnsHost(NAME), host.port, signal))
    await refused(attempt, type, /www\.corp\.test/)
    await until(() => host.open === 0)
    assert.equal(outbound.open, 0)
    await host.close()
  }
})

test('nothing is sent after the handshake, and the connection is closed', async () => {
  responder.provision(IDENTIFIER, KEY_AUTHORIZATION)
  await prove()
  await until(() => responder.open === 0)
})
