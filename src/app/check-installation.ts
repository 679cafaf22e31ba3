import { readFile } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import { Agent, get as httpsGet } from 'node:https'
import type { ResolvedConfig } from '../config/read.ts'
import { checkIssuer } from '../issuance/check-issuer.ts'
import type { Issuer } from '../issuance/issuer.ts'
import type { Clock } from '../lib/clock.ts'
import { createClockGuard } from '../lib/clock-guard.ts'
import { get as httpGet } from '../lib/node-http.ts'
import { decodePem } from '../lib/pem.ts'
import type { Random } from '../lib/random.ts'
import { explainMark, readMark } from '../store/move-marks.ts'
import { parseCertificate } from '../x509/certificate.ts'
import { authorityState } from './authority-state.ts'
import { watched } from './chores.ts'
import { constraintGaps, uncertifiableOwnNames } from './constraint-gaps.ts'
import { buildDirectories, profileTable } from './directories.ts'
import { expiryLevel } from './expiry.ts'
import { fingerprintOf } from './fingerprint.ts'
import { exists, type Home, modeProblems } from './home.ts'
import { issuerNames, loadIssuerFromHome } from './issuers.ts'
import { findMissingIssuers, findUnknownReplaced } from './missing-issuers.ts'
import { databaseName, openStore } from './open-store.ts'
import { readPassphrase } from './passphrase.ts'
import { readPolicyFile, readPolicyRules } from './policy-file.ts'
import { profileGaps } from './profile-gaps.ts'
import { renewalConflicts } from './renewal-conflicts.ts'
import { namesInFolder } from './retired-issuers.ts'
import { loadStorageKey } from './storage-key.ts'

export interface Finding {
  readonly level: 'ok' | 'note' | 'warning' | 'error'
  readonly about: string
  readonly detail: string
}

interface CheckDeps {
  readonly home: Home
  readonly config: ResolvedConfig
  readonly clock: Clock
  readonly random: Random
}

/** Looks at everything that a start would look at, and more, without changing anything. Never throws. */
export async function checkInstallation(deps: CheckDeps): Promise<Finding[]> {
  const findings: Finding[] = []
  for (const [about, look] of Object.entries(LOOKS)) {
    try {
      findings.push(...(await look(deps)).map((finding) => ({ about, ...finding })))
    } catch (error) {
      findings.push({ level: 'error', about, detail: error instanceof Error ? error.message : String(error) })
    }
  }
  return findings
}

type Look = (deps: CheckDeps) => Promise<Omit<Finding, 'about'>[]>

const LOOKS: Readonly<Record<string, Look>> = {
  directories: async ({ config, clock }) => {
    const read =
      config.policy.file === undefined
        ? undefined
        : await readPolicyFile(config, {
            profiles: profileTable(config),
            directories: new Set(Object.keys(config.directories)),
            now: clock.now(),
          })
    const directories = await buildDirectories(config, read?.policy)
    return [
      ...(read === undefined
        ? []
        : [
            ok(`${read.path}: ${read.file.rules.length} rules, ${read.file.tests.length} tests pass; ${read.version}`),
            ...renewalConflicts(config, read.file.rules).map(warning),
          ]),
      ok(directories.map(({ urls }) => urls.directory).join(', ')),
    ]
  },
  modes: async ({ home }) => {
    const problems = await modeProblems(home)
    return problems.length === 0 ? [ok(`${home.path}: folders and keys are closed to others`)] : problems.map(bad)
  },
  root: lookAtRoot,
  issuers: lookAtIssuers,
  storage: async ({ home, config, random }) => {
    if (!(await exists(home.storageKey))) return [note('keys/storage.key is made by the first start')]
    const passphrase = await readPassphrase(config.keys.passphraseFile)
    const { encrypted } = await loadStorageKey(home.storageKey, { random, passphrase, create: false })
    if (passphrase !== undefined && !encrypted)
      return [warning('keys.passphraseFile is set, but keys/storage.key was made before it and is not encrypted')]
    return [ok(`keys/storage.key can be used${encrypted ? ', encrypted' : ''}`)]
  },
  store: async ({ home, config, clock, random }) => {
    const { database } = config
    if (database.engine === 'sqlite' && !(await exists(database.path)))
      return [note(`${database.path} is made by the first start`)]
    const store = await openStore(database, { clock, random })
    try {
      await store.ping()
      const seen = await store.clock.newestSeen()
      const clockGuard = createClockGuard({ clock, toleranceSeconds: config.limits.clockTolerance, newestSeen: seen })
      const clockProblem = clockGuard.problem()
      const counts = await store.retention.counts()
      const mark = readMark((await store.history.lineages()).at(-1))
      const [issuers, now] = [await everyIssuer(home, config), clock.now()]
      const { replacedIssuers: replaced } = config.renewalInfo
      return [
        ...(mark === undefined ? [] : [bad(explainMark(mark))]),
        ...(await findMissingIssuers(store, issuers, now)).map(({ advice }) => bad(advice)),
        ...(await findUnknownReplaced(store, issuers, { replaced, now })).map(({ advice }) => warning(advice)),
        ...(clockProblem === undefined ? [] : [bad(clockProblem.message)]),
        ok(
          `${databaseName(database)}: schema is current; ${counts['certificates'] ?? 0} certificates, ${counts['accounts'] ?? 0} accounts`,
        ),
      ]
    } finally {
      await store.close()
    }
  },
  addresses: lookAtAddresses,
}

/** Those in use and those that are kept for what they issued; what cannot be loaded is told by other looks. */
async function everyIssuer(home: Home, config: ResolvedConfig): Promise<Issuer[]> {
  const passphrase = await readPassphrase(config.keys.passphraseFile)
  const names = new Set([...issuerNames(config), ...(await namesInFolder(home))])
  const loaded = await Promise.allSettled([...names].map((name) => loadIssuerFromHome(home, config, name, passphrase)))
  return loaded.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
}

async function lookAtRoot({ home, clock }: CheckDeps): Promise<Omit<Finding, 'about'>[]> {
  const authority = await authorityState(home)
  switch (authority.state) {
    case 'none':
      return [note('there is no CA yet; the first start makes one, or `chancery init`')]
    case 'requested':
      return [
        warning(
          'the issuing CA waits for its certificate: chancery init --import-issuer <certificate.pem> --root <root.pem>',
        ),
      ]
    case 'partial':
      return [bad(`missing: ${authority.missing.join(', ')}; restore them from a backup`)]
    case 'complete':
      break
    default:
      authority satisfies never
  }
  const pem = await readFile(home.rootPem, 'utf8')
  const { fingerprint, subject } = fingerprintOf(pem)
  const found: Omit<Finding, 'about'>[] = [ok(`${subject}, SHA-256 ${fingerprint}`)]
  const root = parseCertificate(decodePem(pem)[0]?.der ?? Buffer.alloc(0))
  if (!root.subjectDer.equals(root.issuerDer)) found.push(bad('root.pem is not a root: it did not sign itself'))
  if (expiryLevel(root, clock.now()) === 'expired')
    found.push(bad(`the root expired at ${root.notAfter.toISOString()}`))
  if (await exists(home.offlineRootKey)) {
    const both = await exists(home.offlineRootPassphrase)
    found.push(
      warning(
        `${home.offlineRootKey} is still on this machine${both ? ', and its passphrase beside it' : ''}; take it off, to two places`,
      ),
    )
  }
  return found
}

async function lookAtIssuers({ home, config, clock }: CheckDeps): Promise<Omit<Finding, 'about'>[]> {
  if ((await authorityState(home)).state !== 'complete') return []
  const passphrase = await readPassphrase(config.keys.passphraseFile)
  const found: Omit<Finding, 'about'>[] = []
  const issuers = new Map<string, Issuer>()
  const rules = await readPolicyRules(config)
  for (const name of issuerNames(config)) {
    try {
      const issuer = await loadIssuerFromHome(home, config, name, passphrase)
      issuers.set(name, issuer)
      const problems = await checkIssuer(issuer, clock.now())
      found.push(
        ...(problems.length === 0
          ? [
              ok(
                `${name}: key and certificate belong together; good until ${issuer.certificate.notAfter.toISOString()}`,
              ),
            ]
          : problems.map(bad)),
      )
      found.push(...constraintGaps(config, issuer, rules).map(warning))
      const own = uncertifiableOwnNames(config, issuer)
      if (own.length > 0) found.push(bad(`${OWN_NAMES_ADVICE}: ${own.join(', ')}`))
    } catch (error) {
      found.push(bad(error instanceof Error ? error.message : String(error)))
    }
  }
  for (const certificate of watched(issuers)) {
    const level = expiryLevel(certificate, clock.now())
    if (level === 'soon' || level === 'urgent')
      found.push(
        warning(
          `${certificate.name} ends at ${certificate.notAfter.toISOString()}; make its successor: chancery init --help`,
        ),
      )
  }
  found.push(...profileGaps(config, issuers).map(({ isFatal, gap }) => (isFatal ? bad(gap) : warning(gap))))
  for (const [name, profile] of Object.entries(config.profiles)) {
    const issuer = issuers.get(profile.issuer)
    const longest = profile.maxLifetime ?? profile.lifetime
    if (issuer !== undefined && clock.now().getTime() + longest * 1000 > issuer.certificate.notAfter.getTime()) {
      found.push(warning(`profiles.${name}: certificates of ${longest} s would outlive the issuing CA ${issuer.name}`))
    }
  }
  return found
}

const OWN_NAMES_ADVICE =
  'the server cannot start: its own certificate needs names that the issuing CA was not made for (set publicUrl, or tls.names, or make the CA for them)'

/** Addresses in certificates cannot be changed after issuing (KF-C22), so they are tried. */
async function lookAtAddresses({ home, config }: CheckDeps): Promise<Omit<Finding, 'about'>[]> {
  if (!(await exists(home.rootPem))) return []
  const rootPem = await readFile(home.rootPem, 'utf8')
  const agent = new Agent({ ca: rootPem })
  const tries: [string, () => Promise<{ status: number; body: string }>][] = [
    [
      `${config.publicUrl}/directory`,
      () => fetchText((done) => httpsGet(`${config.publicUrl}/directory`, { agent, timeout: TIMEOUT_MS }, done)),
    ],
    [
      `${config.publicHttpUrl}/root.pem`,
      () => fetchText((done) => httpGet(`${config.publicHttpUrl}/root.pem`, { timeout: TIMEOUT_MS }, done)),
    ],
  ]
  const found: Omit<Finding, 'about'>[] = []
  for (const [url, attempt] of tries) {
    try {
      const { status, body } = await attempt()
      if (status !== 200) found.push(warning(`${url} answers ${status}; is it passed on to this server?`))
      else if (url.endsWith('/root.pem') && body !== rootPem)
        found.push(bad(`${url} serves another root than ${home.rootPem}`))
      else found.push(ok(`${url} answers`))
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? String(error)
      found.push(
        warning(
          `${url} cannot be reached from here (${code}); clients need it${code === 'ECONNREFUSED' ? '. Is the server running?' : ''}`,
        ),
      )
    }
  }
  agent.destroy()
  return found
}

const TIMEOUT_MS = 3_000
const MAX_BODY = 65_536

function fetchText(
  send: (done: (response: IncomingMessage) => void) => ReturnType<typeof httpGet>,
): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const request = send((response) => {
      let body = ''
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => {
        body += chunk
        if (body.length > MAX_BODY) response.destroy(new Error('the answer is too long'))
      })
      response.on('error', reject)
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }))
    })
    request.on('timeout', () => request.destroy(Object.assign(new Error('no answer'), { code: 'ETIMEDOUT' })))
    request.on('error', reject)
  })
}

const ok = (detail: string) => ({ level: 'ok' as const, detail })
const note = (detail: string) => ({ level: 'note' as const, detail })
const warning = (detail: string) => ({ level: 'warning' as const, detail })
const bad = (detail: string) => ({ level: 'error' as const, detail })
