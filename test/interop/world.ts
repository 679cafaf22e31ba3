import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { decodePem } from '../../src/lib/pem.ts'
import { parseCertificate } from '../../src/x509/certificate.ts'
import { freePorts, runChancery, type SpawnedChancery, spawnChancery } from '../support/chancery.ts'
import { type FakeDns, startFakeDns } from '../support/fake-dns.ts'
import { type Ran, run } from '../support/program.ts'

/** A running server, a DNS that says every `*.test` name is this machine, and a folder for one client. */
export interface World {
  readonly chancery: SpawnedChancery
  readonly dns: FakeDns
  readonly directoryUrl: string
  readonly crlUrl: string
  readonly rootPath: string
  /** A folder of the client's own. */
  readonly folder: string
  readonly httpPort: number
  readonly tlsPort: number
  /** Publishes TXT records for the client it is given to as hook. */
  readonly hook: string
  /** Environment for the client: how each finds the trust anchor, and the hook its DNS. */
  readonly env: NodeJS.ProcessEnv
  /** The CRL of the issuing CA as `openssl crl -text` prints it, once it lists this serial; the last one otherwise. */
  crlListing(serialHex: string): Promise<string>
  /** A fresh external account key, made by the operator's command. */
  createEabKey(): Promise<{ keyId: string; macKey: string }>
  /** Grants a name to the accounts of a key, by the operator's command. */
  grant(name: string, keyId: string): Promise<void>
}

/** Starts a world and sees to its end with the test. `set` adds `--set` options of the server. */
export async function openWorld(t: TestContext, set: readonly string[] = []): Promise<World> {
  const folder = await mkdtemp(join(tmpdir(), 'chancery-interop-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const dns = await startFakeDns()
  t.after(() => dns.close())
  const texts = new Map<string, Set<string>>()
  dns.script('*', (query) => {
    const answer = { name: query.rawName, ttl: 1 }
    if (query.type === 'TXT') {
      return { answers: [...(texts.get(query.name) ?? [])].map((data) => ({ ...answer, type: 'TXT', data: [data] })) }
    }
    const isOurs = query.type === 'A' && query.name.endsWith('.test')
    return isOurs ? { answers: [{ ...answer, type: 'A', data: '127.0.0.1' }] } : {}
  })
  const control = await startDnsControl(texts)
  t.after(control.close)
  const [httpPort = 0, tlsPort = 0] = await freePorts(2)
  const chancery = await spawnChancery({
    set: [
      `validation.http01.port=${httpPort}`,
      `validation.tlsAlpn01.port=${tlsPort}`,
      `validation.dns.resolvers=["${dns.resolver}"]`,
      'validation.egress.allow=["127.0.0.0/8"]',
      'validation.retryAfter=1s',
      'crl.rebuildWithin=1s',
      ...set,
    ],
  })
  t.after(async () => {
    await chancery.stop()
    await chancery.cleanup()
  })
  const rootPath = join(chancery.home, 'root.pem')
  const issuer = parseCertificate(decodePem(await readFile(join(chancery.home, 'chain.pem'), 'utf8'))[0]!.der)
  const crlUrl = `${chancery.urls.publicHttp}/crl/${issuer.subjectKeyId?.toString('hex')}.crl`
  return {
    chancery,
    dns,
    directoryUrl: chancery.urls.directory,
    rootPath,
    crlUrl,
    folder,
    httpPort,
    tlsPort,
    hook: join(import.meta.dirname, 'dns-hook.mjs'),
    env: {
      PATH: process.env['PATH'],
      HOME: folder,
      LANG: 'C.UTF-8',
      CHANCERY_TEST_DNS_CONTROL: control.url,
      REQUESTS_CA_BUNDLE: rootPath,
      LEGO_CA_CERTIFICATES: rootPath,
      CURL_CA_BUNDLE: rootPath,
      SSL_CERT_FILE: rootPath,
    },
    crlListing: (serialHex) => listingOf(crlUrl, folder, serialHex),
    async createEabKey() {
      const made = await runChancery(['eab', 'create', '--expires', '1h'], { home: chancery.home })
      const [, keyId = '', macKey = ''] = /Key id: +(\S+)\nMAC key: +(\S+)/.exec(made.stdout) ?? []
      if (keyId === '') throw new Error(`eab create said ${made.stdout}${made.stderr}`)
      return { keyId, macKey }
    },
    async grant(name, keyId) {
      const flags = ['--key', keyId, '--owner', 'ops', '--expires', '1h']
      const made = await runChancery(['preauthorize', 'add', name, ...flags], { home: chancery.home })
      if (made.code !== 0) throw new Error(`preauthorize add said ${made.stdout}${made.stderr}`)
    },
  }
}

/** Takes `{action, name, value}` from the hook and keeps the TXT records of each name. */
async function startDnsControl(texts: Map<string, Set<string>>): Promise<{ url: string; close: () => void }> {
  const server = createServer(async (request, response) => {
    let text = ''
    for await (const chunk of request) text += chunk
    const { action, name, value } = JSON.parse(text) as { action: 'add' | 'remove'; name: string; value: string }
    const values = texts.get(name) ?? new Set()
    if (action === 'add') values.add(value)
    else values.delete(value)
    texts.set(name, values)
    response.end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    close: () => {
      server.close()
      server.closeAllConnections()
    },
  }
}

/** The CRL is rebuilt within a second of a revocation here; real clients do not wait, so this asks again for a while. */
async function listingOf(crlUrl: string, folder: string, serialHex: string): Promise<string> {
  const path = join(folder, 'crl.der')
  for (let tries = 0; ; tries++) {
    const bytes = Buffer.from(await (await fetch(crlUrl)).arrayBuffer())
    await writeFile(path, bytes)
    const listing = await run('openssl', ['crl', '-inform', 'DER', '-in', path, '-noout', '-text'])
    if (listing.stdout.toLowerCase().includes(serialHex.toLowerCase()) || tries === 60) return listing.stdout
    await new Promise((resolve) => setTimeout(resolve, 250))
  }
}

/** Fails with everything the client said when it did not end well. */
export function expectSuccess(ran: Ran, what: string): void {
  if (ran.code !== 0) throw new Error(`${what} ended with ${ran.code}\n${ran.stdout}\n${ran.stderr}`)
}

/** The serial of a certificate file's first certificate, as upper-case hex. */
export async function serialOf(path: string): Promise<string> {
  const shown = await run('openssl', ['x509', '-in', path, '-noout', '-serial'])
  expectSuccess(shown, 'openssl x509')
  return shown.stdout.trim().replace('serial=', '')
}

/** Verifies a certificate file (leaf first, then intermediates) up to the server's root, strictly. */
export async function verifyWithOpenssl(world: World, chainPath: string): Promise<void> {
  const verified = await run('openssl', [
    'verify',
    '-x509_strict',
    '-CAfile',
    world.rootPath,
    '-untrusted',
    chainPath,
    chainPath,
  ])
  expectSuccess(verified, 'openssl verify')
}
