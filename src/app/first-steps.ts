import { networkInterfaces } from 'node:os'
import type { ResolvedConfig } from '../config/read.ts'
import type { Identifier } from '../lib/identifier.ts'
import { ipAddressBytes } from '../lib/ip-address.ts'
import type { Policy } from '../policy/decision.ts'
import { createEgressPolicy, type EgressPolicy } from '../validation/egress.ts'
import type { Home } from './home.ts'

/** What the first commands certify, and what must be switched for it to work. */
export interface FirstTarget {
  readonly identifier: Identifier
  /** A switch for `npm start --`, without which the server would refuse to connect there. */
  readonly needs?: string
}

/** Answered with loopback by our resolver, as RFC 6761 §6.3 asks, so that it needs no DNS. */
const LOCAL_NAME = 'demo.localhost'

/**
 * A name or address that this very machine can prove with the configuration as it is: one of its own private
 * addresses, or a local name where loopback may be connected to. Where there is neither, the local name with the
 * switch that opens loopback.
 *
 * @param addresses of this machine; default: asked of the system
 */
export async function chooseFirstTarget(options: {
  readonly config: ResolvedConfig
  readonly policy: Policy
  readonly at: Date
  readonly addresses?: readonly string[]
}): Promise<FirstTarget> {
  const { config, policy, at } = options
  const egress = createEgressPolicy({ ...config.validation.egress, ownListeners: () => [] })
  const port = config.validation.http01.port
  const allowed = async (identifier: Identifier): Promise<boolean> => {
    const profile = config.directories['default']?.profile ?? 'server'
    const decision = await policy.decide({
      requester: { kind: 'account', directory: 'default', accountId: '' },
      stage: 'order',
      profile,
      names: [identifier],
      at,
    })
    return decision.outcome === 'allow'
  }
  const local: Identifier = { type: 'dns', value: LOCAL_NAME }
  const localAllowed = await allowed(local)
  if (localAllowed && reaches(egress, '127.0.0.1', port)) return { identifier: local }
  for (const address of options.addresses ?? ownAddresses()) {
    const identifier: Identifier = { type: 'ip', value: address }
    if (reaches(egress, address, port) && (await allowed(identifier))) return { identifier }
  }
  return {
    identifier: local,
    needs: localAllowed ? OPEN_LOOPBACK : `${OPEN_LOOPBACK} --set 'policies.default.allow.dns=["**.localhost"]'`,
  }
}

const OPEN_LOOPBACK = '--set validation.egress.allow=127.0.0.0/8'

function reaches(egress: EgressPolicy, address: string, port: number): boolean {
  const bytes = ipAddressBytes(address)
  return bytes !== undefined && egress.decide(bytes, port).ok
}

/** IPv4 first: more clients can prove it. */
function ownAddresses(): string[] {
  const all = Object.values(networkInterfaces()).flatMap((entries) =>
    (entries ?? []).filter((entry) => !entry.internal && !entry.address.includes('%')),
  )
  return [...all.filter((entry) => entry.family === 'IPv4'), ...all.filter((entry) => entry.family === 'IPv6')].map(
    (entry) => entry.address,
  )
}

/** The lines that tell somebody how to get a first certificate: each command as it can be pasted. */
export function firstCommands(options: {
  readonly config: ResolvedConfig
  readonly home: Home
  readonly target: FirstTarget
  /** `https://…/acme/default/directory` */
  readonly directoryUrl: string
  /** Whether a low port needs `sudo` for whoever reads this. */
  readonly needsRoot: boolean
}): string[] {
  const { config, home, target, directoryUrl } = options
  const port = config.validation.http01.port
  const root = shellWord(home.rootPem)
  const { type, value } = target.identifier
  const sudo = options.needsRoot && port < 1024 ? 'sudo ' : ''
  const lines: string[] = []
  if (target.needs !== undefined) {
    lines.push(
      'This machine has no private address that could be proved, and loopback is refused as a target until you',
      'allow it. For a trial on this machine alone, stop the server and start it with:',
      '',
      `  npm start -- ${target.needs}`,
      '',
    )
  }
  lines.push(
    `Your first certificate, for ${value}. Each client answers on port ${port}, which must be free${sudo === '' ? '' : ' and needs root'}:`,
    '',
  )
  if (config.directories['default']?.externalAccount === 'required') {
    lines.push(
      '  # this directory wants an external account: `chancery eab create` prints what to add to each command',
      '',
    )
  }
  const certbotName = type === 'dns' ? `-d ${value}` : `--ip-address ${value}`
  lines.push(
    `  ${sudo}env REQUESTS_CA_BUNDLE=${root} certbot certonly --standalone --http-01-port ${port} \\`,
    `    --server ${directoryUrl} --register-unsafely-without-email --agree-tos -n ${certbotName}`,
    '',
    `  ${sudo}env LEGO_CA_CERTIFICATES=${root} lego --server ${directoryUrl} --accept-tos \\`,
    `    --email you@example.com --http --http.port :${port} --domains ${value} run`,
    '',
    `  ${sudo}acme.sh --issue --standalone --httpport ${port} --server ${directoryUrl} \\`,
    `    --ca-bundle ${root} -d ${value}${value.includes(':') ? ' --listen-v6' : ''}`,
  )
  if (type === 'ip') {
    lines.push(
      '',
      'Proving an address takes certbot 5.3, lego 4.11, or newer. For older ones start the server with',
      `\`npm start -- ${OPEN_LOOPBACK}\` and ask for -d ${LOCAL_NAME} (--domains ${LOCAL_NAME}).`,
    )
  }
  return lines
}

/** Quoted for a POSIX shell when it holds anything that a shell would look at. */
function shellWord(text: string): string {
  return /^[A-Za-z0-9_./:@%+=,-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}
