import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { runCli } from '../../src/cli/run.ts'
import type { AuthorizationId, ChallengeId } from '../../src/lib/ids.ts'
import { encodePem } from '../../src/lib/pem.ts'
import type { RevocationReason } from '../../src/store/records.ts'
import { type AcmeReply, AcmeTestClient } from '../support/acme-test-client.ts'
import { startTestChancery, type TestChancery } from '../support/chancery.ts'
import type { TestIdentifier } from '../support/test-csr.ts'
import { generateTestKey, type TestKey } from '../support/test-keys.ts'

/** One certificate or CRL that a running Chancery gave out, in a file of its own. */
export interface Artefact {
  readonly label: string
  readonly kind: 'root' | 'issuing' | 'leaf' | 'crl'
  /** PEM, one block. */
  readonly path: string
  readonly der: Buffer
  /** What signed it; the root is its own. */
  readonly issuer: Artefact | undefined
}

export interface LeafArtefact extends Artefact {
  readonly kind: 'leaf'
  readonly issuer: Artefact
  /** Why the last CRL of its issuer lists it; absent when it does not. */
  readonly revoked?: RevocationReason
}

export interface CrlArtefact extends Artefact {
  readonly kind: 'crl'
  readonly issuer: Artefact
  readonly entries: number
}

/** Everything that one installation gave out. */
export interface Installation {
  readonly root: Artefact
  readonly issuing: readonly Artefact[]
  readonly leaves: readonly LeafArtefact[]
  /** Of each issuing CA, its lists from the first to the last. */
  readonly crls: readonly CrlArtefact[]
}

const SETTINGS = `
publicHttpUrl: http://pki.corp.test
tls: { names: [ca.corp.test, 10.0.0.1, fd00::1], lifetime: 30d }
directories:
  default: {}
  mutual: { profile: mutual }
  long: { profile: long }
  rsa: { profile: rsa }
  p521: { profile: p521 }
  ed25519: { profile: ed25519 }
profiles:
  mutual: { extendedKeyUsages: [serverAuth, clientAuth], subject: commonName }
  long: { lifetime: 90d, maxLifetime: 397d }
  rsa: { issuer: rsa, subject: commonName }
  p521: { issuer: p521 }
  ed25519: { issuer: ed25519, extendedKeyUsages: [clientAuth] }
`

/** Two installations, and the folder that holds the files of both. */
export interface Artefacts {
  readonly firstStart: Installation
  readonly configured: Installation
  readonly all: readonly Artefact[]
  readonly folder: string
  remove(): Promise<void>
}

/**
 * One installation as a first start makes it, and one set up by hand with a root that ends after 2050, four kinds of
 * issuing CA, and every shape of leaf and CRL. All is fetched from running servers, and judged as of now.
 */
export async function collectArtefacts(): Promise<Artefacts> {
  const folder = await mkdtemp(join(tmpdir(), 'chancery-artefacts-'))
  const home = await mkdtemp(join(tmpdir(), 'chancery-artefacts-home-'))
  try {
    const firstStart = await collectFrom(folder, 'first start', {}, (collector) =>
      collector.enroll('one name', ['www.corp.test']),
    )
    await makeAuthority(home)
    const configured = await collectFrom(folder, 'configured', { home }, enrollEverything)
    return {
      firstStart,
      configured,
      all: [...everythingOf(firstStart), ...everythingOf(configured)],
      folder,
      remove: () => rm(folder, { recursive: true, force: true }),
    }
  } finally {
    await rm(home, { recursive: true, force: true })
  }
}

const everythingOf = ({ root, issuing, leaves, crls }: Installation): Artefact[] => [
  root,
  ...issuing,
  ...leaves,
  ...crls,
]

async function makeAuthority(home: string): Promise<void> {
  await writeFile(join(home, 'chancery.yaml'), SETTINGS)
  for (const args of [
    ['--root-key-type', 'RSA-3072', '--root-lifetime', '10957d', '--issuer-key-type', 'P-384'],
    ['--issuer', 'rsa', '--issuer-key-type', 'RSA-2048'],
    ['--issuer', 'p521', '--issuer-key-type', 'P-521'],
    ['--issuer', 'ed25519', '--issuer-key-type', 'Ed25519', '--issuer-name', 'Ed25519 Issuing CA'],
  ]) {
    const said: string[] = []
    const say = (line: string): void => void said.push(line)
    const code = await runCli(['init', ...args], { env: { CHANCERY_HOME: home }, cwd: home, out: say, err: say })
    if (code !== 0) throw new Error(`chancery init ${args.join(' ')} said ${said.join('\n')}`)
  }
}

async function enrollEverything(collector: Collector): Promise<void> {
  const inDays = (days: number): string => new Date(Date.now() + days * 86_400_000).toISOString()
  // Longer than a common name may be.
  const longName = `${'long-label-'.repeat(5)}x.${'y'.repeat(20)}.test`
  const hosts = Array.from({ length: 40 }, (_, index) => `host-${index}.corp.test`)

  await collector.enroll('one name', ['www.corp.test'])
  const wide = await collector.enroll('many names', [
    '*.corp.test',
    'corp.test',
    'xn--bcher-kva.test',
    longName,
    ...hosts,
  ])
  await collector.enroll('IPv4', ['10.1.2.3'])
  await collector.enroll('IPv6', ['fd00::1:2'])
  const mixed = await collector.enroll('names and addresses', ['a.internal', '192.168.7.7', 'fd12:3456::1'])
  for (const [label, key] of [
    ['RSA-2048', generateTestKey('RS256')],
    ['RSA-3072', generateTestKey('RS256', { rsaBits: 3072 })],
    ['P-384', generateTestKey('ES384')],
    ['P-521', generateTestKey('ES512')],
    ['Ed25519', generateTestKey('EdDSA')],
  ] as const) {
    await collector.enroll(`key ${label}`, ['keys.corp.test'], { key })
  }
  const mutual = await collector.enroll('common name and both purposes', ['fd00::9', longName, 'mutual.corp.test'], {
    directory: 'mutual',
  })
  const tooLong = await collector.enroll('no name fits as common name', [longName], { directory: 'mutual' })
  await collector.enroll('RSA issuing CA', ['www.corp.test', '*.corp.test'], { directory: 'rsa' })
  await collector.enroll('P-521 issuing CA', ['www.corp.test'], { directory: 'p521' })
  await collector.enroll('Ed25519 issuing CA', ['client.corp.test', '10.9.9.9'], { directory: 'ed25519' })
  const dated = await collector.enroll('explicit dates', ['dated.corp.test'], {
    directory: 'long',
    order: { notBefore: inDays(0), notAfter: inDays(20) },
  })
  const longest = await collector.enroll('longest', ['long.corp.test'], {
    directory: 'long',
    order: { notAfter: inDays(396) },
  })

  await collector.revoke([[wide, 1]])
  await collector.revoke([
    [mixed, 0],
    [mutual, 3],
    [tooLong, 4],
    [dated, 5],
    [longest, 9],
  ])
}

async function collectFrom(
  folder: string,
  label: string,
  options: { readonly home?: string },
  fill: (collector: Collector) => Promise<unknown>,
): Promise<Installation> {
  const chancery = await startTestChancery(options)
  const collector = new Collector(folder, label, chancery)
  try {
    await collector.begin()
    await fill(collector)
    return collector.installation()
  } finally {
    collector.close()
    await chancery.stop()
  }
}

interface EnrolledLeaf extends Omit<LeafArtefact, 'revoked'> {
  readonly client: AcmeTestClient | undefined
  revoked?: RevocationReason
}

/** Takes from one running server what it gives out, and keeps it in files. */
class Collector {
  readonly #folder: string
  readonly #label: string
  readonly #chancery: TestChancery
  #root: Artefact | undefined
  /** By issuer id. */
  readonly #issuing = new Map<string, Artefact>()
  readonly #clients = new Map<string, AcmeTestClient>()
  readonly #leaves: EnrolledLeaf[] = []
  readonly #crls: CrlArtefact[] = []

  constructor(folder: string, label: string, chancery: TestChancery) {
    this.#folder = folder
    this.#label = label
    this.#chancery = chancery
  }

  /** The CA certificates, the first CRLs and the server's own certificate. */
  async begin(): Promise<void> {
    const root = await this.#keep('root', 'root', await this.#download('/root.cer'))
    this.#root = root
    for (const { id, name } of this.#chancery.running.issuers.values()) {
      const der = await this.#download(`/issuer/${id}.cer`)
      const issuer: Artefact = { ...(await this.#keep('issuing', `issuing CA ${name}`, der)), issuer: root }
      this.#issuing.set(id, issuer)
      await this.#keepCrl(id, issuer)
    }
    const { port } = this.#chancery.running.addresses.acme
    const socket = connect({ host: '127.0.0.1', port, servername: 'localhost', ca: this.#chancery.rootPem })
    await once(socket, 'secureConnect')
    const served = socket.getPeerX509Certificate()
    socket.destroy()
    if (served === undefined) throw new Error('the server showed no certificate')
    await this.#keepLeaf('own TLS certificate', served.raw, undefined)
  }

  async enroll(
    label: string,
    names: readonly TestIdentifier[],
    options: { readonly directory?: string; readonly key?: TestKey; readonly order?: Record<string, unknown> } = {},
  ): Promise<EnrolledLeaf> {
    const directory = options.directory ?? 'default'
    const client = await this.#clientOf(directory)
    const order = must(201, await client.newOrder(names, options.order))
    for (const url of order.json.authorizations) await this.#prove(directory, client, url)
    const { base64url: csr } = client.csr(names, options.key === undefined ? {} : { key: options.key })
    must(200, await client.post(order.json.finalize, { csr }))
    const done = await client.poll(order.headers.location ?? '')
    const chain = must(200, await client.postAsGet(done.json.certificate))
    return this.#keepLeaf(label, new X509Certificate(chain.text).raw, client)
  }

  /** Revokes as the subscriber, or, with reason 9, as the CA; then keeps the CRLs that say so. */
  async revoke(leaves: readonly (readonly [EnrolledLeaf, RevocationReason])[]): Promise<void> {
    for (const [leaf, reason] of leaves) {
      if (reason === 9) await this.#withdraw(leaf)
      else {
        if (leaf.client === undefined) throw new Error(`${leaf.label} has no account`)
        const { revokeCert } = await leaf.client.directory()
        const certificate = leaf.der.toString('base64url')
        must(200, await leaf.client.post(revokeCert ?? '', { certificate, reason }))
      }
      leaf.revoked = reason
    }
    await this.#chancery.running.crlPublisher.buildDue()
    const changed = new Set(leaves.map(([leaf]) => leaf.issuer))
    for (const [id, issuer] of this.#issuing) if (changed.has(issuer)) await this.#keepCrl(id, issuer)
  }

  installation(): Installation {
    if (this.#root === undefined) throw new Error('nothing was collected')
    return { root: this.#root, issuing: [...this.#issuing.values()], leaves: this.#leaves, crls: this.#crls }
  }

  close(): void {
    for (const client of this.#clients.values()) client.close()
  }

  async #clientOf(directory: string): Promise<AcmeTestClient> {
    const known = this.#clients.get(directory)
    if (known !== undefined) return known
    const directoryUrl = this.#chancery.urls.directory.replace('/default/', `/${directory}/`)
    const client = new AcmeTestClient({ directoryUrl, ca: this.#chancery.rootPem })
    this.#clients.set(directory, client)
    must(201, await client.newAccount())
    return client
  }

  /** Gives the proof in the store, as the validation runner does. */
  async #prove(directory: string, client: AcmeTestClient, authorizationUrl: string): Promise<void> {
    const { store } = this.#chancery
    const authorizationId = authorizationUrl.split('/').at(-1) as AuthorizationId
    const accountId = client.accountUrl?.split('/').at(-1) as Parameters<typeof store.authorizations.find>[1]
    const found = await store.authorizations.find(directory, accountId, authorizationId)
    const challenge = found?.challenges[0]
    if (found === undefined || challenge === undefined) throw new Error(`no challenge in ${authorizationUrl}`)
    if (found.challenges.some(({ validatedAt }) => validatedAt !== undefined)) return
    const challengeId: ChallengeId = challenge.id
    const owner = 'test'
    const now = new Date()
    const audit = { at: now, event: 'test', data: {} }
    const leaseUntil = new Date(now.getTime() + 60_000)
    const keyAuthorization = client.keyAuthorization(challenge.token)
    const asked = { challenge, authorization: found }
    await store.validationJobs.enqueue(asked, { now, keyAuthorization, owner, leaseUntil, audit })
    const expiresAt = new Date(now.getTime() + 3600_000)
    const outcome = await store.validationJobs.succeed(challengeId, { owner, now, expiresAt, audit })
    if (outcome !== 'done') throw new Error(`the proof was ${outcome}`)
  }

  async #withdraw(leaf: EnrolledLeaf): Promise<void> {
    const serial = new X509Certificate(leaf.der).serialNumber.toLowerCase()
    const [issuerId = ''] = [...this.#issuing].find(([, issuer]) => issuer === leaf.issuer) ?? []
    const now = new Date(Math.floor(Date.now() / 1000) * 1000)
    const { outcome } = await this.#chancery.store.certificates.revoke(
      { issuerId, serial },
      { now, reason: 9, raiseToKeyCompromise: false, audit: { at: now, event: 'test', data: {} } },
    )
    if (outcome !== 'revoked') throw new Error(`the withdrawal was ${outcome}`)
  }

  /** The next list of this CA; the listener remembers the one before for a second. */
  async #keepCrl(id: string, issuer: Artefact): Promise<void> {
    const before = this.#crls.filter((crl) => crl.issuer === issuer)
    for (let tries = 0; tries < 50; tries++) {
      const der = await this.#download(`/crl/${id}.crl`)
      if (before.some((crl) => crl.der.equals(der))) {
        await new Promise((resolve) => setTimeout(resolve, 100))
        continue
      }
      const kept = await this.#keep('crl', `CRL ${before.length} of ${issuer.label}`, der)
      const entries = this.#leaves.filter((leaf) => leaf.issuer === issuer && leaf.revoked !== undefined).length
      this.#crls.push({ ...kept, kind: 'crl', issuer, entries })
      return
    }
    throw new Error(`no new CRL of ${issuer.label} came`)
  }

  async #keepLeaf(label: string, der: Buffer, client: AcmeTestClient | undefined): Promise<EnrolledLeaf> {
    const certificate = new X509Certificate(der)
    const issuer = [...this.#issuing.values()].find((one) => certificate.checkIssued(new X509Certificate(one.der)))
    if (issuer === undefined) throw new Error(`${label} was issued by none of our CAs`)
    const leaf: EnrolledLeaf = { ...(await this.#keep('leaf', label, der)), kind: 'leaf', issuer, client }
    this.#leaves.push(leaf)
    return leaf
  }

  async #keep(kind: Artefact['kind'], what: string, der: Buffer): Promise<Artefact> {
    const label = `${this.#label}: ${what}`
    const path = join(this.#folder, `${label.replace(/[^A-Za-z0-9]+/g, '-')}.pem`)
    await writeFile(path, encodePem(kind === 'crl' ? 'X509 CRL' : 'CERTIFICATE', der))
    return { label, kind, path, der, issuer: undefined }
  }

  async #download(path: string): Promise<Buffer> {
    const reply = await fetch(`http://127.0.0.1:${this.#chancery.running.addresses.public.port}${path}`)
    if (reply.status !== 200) throw new Error(`${path} answered ${reply.status}`)
    return Buffer.from(await reply.arrayBuffer())
  }
}

function must(status: number, reply: AcmeReply): AcmeReply {
  if (reply.status !== status) throw new Error(`answered ${reply.status}, not ${status}: ${reply.text}`)
  return reply
}
