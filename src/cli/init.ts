import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { authorityState } from '../app/authority-state.ts'
import { fingerprintOf } from '../app/fingerprint.ts'
import { DEFAULT_ISSUER, type Home, openHome } from '../app/home.ts'
import { importIssuer, requestIssuer } from '../app/import-issuer.ts'
import { nameScope, serverNames } from '../app/name-scope.ts'
import { type AuthorityPlan, addIssuer, createAuthority, DEFAULT_AUTHORITY } from '../app/new-authority.ts'
import { openStore } from '../app/open-store.ts'
import { readPassphrase } from '../app/passphrase.ts'
import { readPolicyRules } from '../app/policy-file.ts'
import { finishStagedFiles } from '../app/staged-files.ts'
import { CeremonyError } from '../ca/ca-certificate.ts'
import { ISSUER_NAME } from '../config/checks.ts'
import { parseDuration } from '../config/duration.ts'
import type { ResolvedConfig } from '../config/read.ts'
import { KEY_KINDS, type KeyKind } from '../signer/software.ts'
import { allowNames } from './allow-names.ts'
import { type Command, type CommandContext, CommandError, UsageError } from './command.ts'

export const command: Command = {
  details: [
    'Without flags it does what the first start would do. --names adds names to the policy, and the issuing CA is',
    'bound to what the policy then allows. With --offline-root the root stays on another machine: this makes the',
    'issuing key and issuer.csr; have that signed, then run init --import-issuer CERT --root ROOT.',
    'With --issuer NAME a further issuing CA is made, for profiles whose `issuer` is NAME.',
  ].join('\n'),
  flags: {
    names: {
      value: 'NAMES',
      repeatable: true,
      help: 'names, patterns or address blocks to allow, comma separated; corp.example stands for itself and all below',
    },
    'no-default-names': {
      help: 'leave the lab names out of the policy: *.internal, *.test, private addresses and so on',
    },
    'no-name-constraints': { help: 'let the issuing CA certify any name; policy alone decides then' },
    'root-name': { value: 'TEXT', help: `common name of the root (default: ${DEFAULT_AUTHORITY.root.name})` },
    'root-key-type': { value: 'TYPE', help: `${KEY_KINDS.join(', ')} (default: ${DEFAULT_AUTHORITY.root.keyKind})` },
    'root-lifetime': { value: 'TIME', help: 'such as 3650d (default: ten years)' },
    'root-passphrase-file': {
      value: 'FILE',
      help: 'its first line encrypts, or opens, the root key; default: one is made',
    },
    'issuer-name': { value: 'TEXT', help: `common name of the issuing CA (default: ${DEFAULT_AUTHORITY.issuer.name})` },
    'issuer-key-type': { value: 'TYPE', help: `as above (default: ${DEFAULT_AUTHORITY.issuer.keyKind})` },
    'issuer-lifetime': { value: 'TIME', help: 'such as 730d (default: two years)' },
    issuer: { value: 'NAME', help: 'make a further issuing CA of this name in the state folder' },
    'offline-root': { help: 'make the issuing key and a signing request only' },
    'import-issuer': { value: 'FILE', help: 'take in the signed certificate, intermediates after it' },
    root: { value: 'FILE', help: 'the root to which it chains, with --import-issuer' },
  },
  run: async (context) => {
    const issuer = context.text('issuer') ?? DEFAULT_ISSUER
    if (!ISSUER_NAME.test(issuer)) throw new UsageError('--issuer takes lower-case letters, digits and hyphens')
    checkCombination(context)
    const home = await openHome(context.homePath)
    try {
      return issuer === DEFAULT_ISSUER ? await underLock(context, home, issuer) : await ceremony(context, home, issuer)
    } catch (error) {
      throw error instanceof CeremonyError ? new CommandError(error.message, { cause: error }) : error
    }
  },
}

/** The lock keeps a server's first start, or a second ceremony, from doing the same at the same time. */
async function underLock(context: CommandContext, home: Home, issuer: string): Promise<number> {
  const { database } = await context.config()
  // On a database server this keeps nobody out; there, whose keys count is settled by the storage key.
  const store = await openStore(database, { clock: context.clock, random: context.random, serves: true })
  try {
    await finishStagedFiles(home)
    return await ceremony(context, home, issuer)
  } finally {
    await store.close()
  }
}

function checkCombination(context: CommandContext): void {
  const importing = context.text('import-issuer') !== undefined
  if (importing && context.text('root') === undefined)
    throw new UsageError('--import-issuer needs --root FILE, the root to which the certificate chains')
  if (!importing && context.text('root') !== undefined) throw new UsageError('--root goes with --import-issuer')
  if (importing && context.on('offline-root')) throw new UsageError('--offline-root comes first, --import-issuer later')
}

async function ceremony(context: CommandContext, home: Home, issuer: string): Promise<number> {
  const onlinePassphrase = await readPassphrase((await context.config()).keys.passphraseFile)
  const now = context.clock.now()
  const importing = context.text('import-issuer')
  if (importing !== undefined) return finishImport(context, home, issuer, importing, onlinePassphrase)
  await refuseExisting(home, issuer)
  await allowNames(context)
  const config = await context.config()

  const plan = await planOf(context, config, issuer, onlinePassphrase)
  const passphraseFile = context.text('root-passphrase-file')
  const rootPassphrase = await readPassphrase(passphraseFile === undefined ? undefined : resolve(passphraseFile))
  if (context.on('offline-root')) {
    await requestIssuer(home, issuer, plan.issuer, onlinePassphrase)
    context.out(`The issuing key is ${home.issuerKey(issuer)}.`)
    context.out(`Have ${home.issuerCsr(issuer)} signed by your root as a CA with path length 0, then run:`)
    context.out('')
    context.out(
      `  chancery init${issuer === DEFAULT_ISSUER ? '' : ` --issuer ${issuer}`} --import-issuer <certificate.pem> --root <root.pem>`,
    )
    return 0
  }
  if (issuer !== DEFAULT_ISSUER) {
    await addIssuer(home, config, issuer, { ...plan, rootPassphrase }, { now, random: context.random })
    context.out(
      `The issuing CA ${issuer} is in ${home.issuerChain(issuer)}. Name it in profiles.<name>.issuer, then restart the server.`,
    )
    return 0
  }
  await createAuthority(home, config, { ...plan, rootPassphrase }, { now, random: context.random })
  const { fingerprint } = fingerprintOf(await readFile(home.rootPem, 'utf8'))
  context.out(`Root certificate: ${home.rootPem}`)
  context.out(`SHA-256:          ${fingerprint}`)
  context.out(`Issuing CA:       ${home.chainPem}`)
  context.out(
    `Bound to names:   ${plan.nameConstraints === undefined ? 'no, it can certify any name' : [...plan.nameConstraints.dns, ...plan.nameConstraints.ip].join(', ')}`,
  )
  context.out('')
  for (const line of offlineAdvice(home, rootPassphrase === undefined)) context.out(line)
  return 0
}

/** What must be done with the root key before the CA is relied upon. */
export function offlineAdvice(home: Home, passphraseWasMade: boolean): string[] {
  if (!passphraseWasMade)
    return [`Now take ${home.offlineFolder} off this machine. It holds the root key; running needs it for nothing.`]
  return [
    `Now take ${home.offlineFolder} off this machine, to two places: root.key.pem to one, root.passphrase to another.`,
    'Whoever has both can make certificates for any name. Running needs neither.',
  ]
}

async function refuseExisting(home: Home, issuer: string): Promise<void> {
  if (issuer !== DEFAULT_ISSUER) return
  const found = await authorityState(home)
  switch (found.state) {
    case 'none':
      return
    case 'complete':
      throw new CommandError(
        `${home.path} has its root and issuing CA already; use another CHANCERY_HOME, or --issuer NAME for a further issuing CA`,
      )
    case 'requested':
      throw new CommandError(
        `${home.issuerCsr(issuer)} waits to be signed; go on with: chancery init --import-issuer <certificate.pem> --root <root.pem>`,
      )
    case 'partial':
      throw new CommandError(
        `${home.path} holds ${found.present.join(', ')} but not ${found.missing.join(', ')}; restore what is missing, or move these away to begin anew`,
      )
    default:
      found satisfies never
  }
}

async function planOf(
  context: CommandContext,
  config: ResolvedConfig,
  issuer: string,
  onlinePassphrase: string | undefined,
): Promise<AuthorityPlan> {
  const { root, issuer: issuing } = DEFAULT_AUTHORITY
  const ownNames = issuer === DEFAULT_ISSUER ? serverNames(config) : []
  return {
    root: {
      name: context.text('root-name') ?? root.name,
      keyKind: keyKindOf(context, 'root-key-type') ?? root.keyKind,
      lifetimeSeconds: lifetimeOf(context, 'root-lifetime') ?? root.lifetimeSeconds,
    },
    issuer: {
      name: context.text('issuer-name') ?? (issuer === DEFAULT_ISSUER ? issuing.name : `${issuing.name} (${issuer})`),
      keyKind: keyKindOf(context, 'issuer-key-type') ?? issuing.keyKind,
      lifetimeSeconds: lifetimeOf(context, 'issuer-lifetime') ?? issuing.lifetimeSeconds,
    },
    nameConstraints:
      context.on('no-name-constraints') || context.on('offline-root')
        ? undefined
        : nameScope(config, issuer, ownNames, await readPolicyRules(config)),
    onlinePassphrase,
  }
}

function keyKindOf(context: CommandContext, flag: string): KeyKind | undefined {
  const text = context.text(flag)
  if (text === undefined) return undefined
  const kind = KEY_KINDS.find((one) => one.toLowerCase() === text.toLowerCase())
  if (kind === undefined) throw new UsageError(`--${flag} takes one of ${KEY_KINDS.join(', ')}`)
  return kind
}

function lifetimeOf(context: CommandContext, flag: string): number | undefined {
  const text = context.text(flag)
  return text === undefined ? undefined : parseDuration(text, `--${flag}`)
}

async function finishImport(
  context: CommandContext,
  home: Home,
  issuer: string,
  file: string,
  passphrase: string | undefined,
): Promise<number> {
  const rootFile = context.text('root') ?? ''
  const read = (path: string): Promise<string> =>
    readFile(resolve(path), 'utf8').catch((cause: NodeJS.ErrnoException) => {
      throw new CommandError(`${path} cannot be read (${cause.code ?? cause.message})`)
    })
  const report = await importIssuer(home, issuer, {
    issuerPem: await read(file),
    rootPem: await read(rootFile),
    passphrase,
    now: context.clock.now(),
  })
  for (const note of report.notes) context.out(`  ${note}`)
  if (report.problems.length > 0) {
    throw new CommandError(
      ['the certificate was not taken in:', ...report.problems.map((problem) => `  ${problem}`)].join('\n'),
    )
  }
  context.out(`The issuing CA ${issuer} is ready: ${home.issuerChain(issuer)}. Start the server, or restart it.`)
  return 0
}
