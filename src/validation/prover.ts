import type { Config } from '../config/schema.ts'
import type { Clock } from '../lib/clock.ts'
import { parseIpAddress } from '../lib/ip-address.ts'
import type { Random } from '../lib/random.ts'
import type { AuthorizationRecord, ChallengeRecord } from '../store/records.ts'
import { DeadlinePassed, withDeadline } from './deadline.ts'
import { createResolver, type Resolver } from './dns/resolver.ts'
import { createServerTable } from './dns/servers.ts'
import type { DnsTransport } from './dns/transport.ts'
import { proveDns01 } from './dns-01.ts'
import { createEgressPolicy, type OwnListener } from './egress.ts'
import { ValidationFailure } from './failure.ts'
import { proveHttp01 } from './http-01.ts'
import { createOutbound, type Dial, type Outbound } from './outbound.ts'
import type { Evidence } from './probe.ts'
import { PLACES_AND_SLOW } from './schedule.ts'
import type { Host } from './target.ts'
import { proveTlsAlpn01 } from './tls-alpn-01.ts'

/** Makes one attempt at one challenge. */
export interface Prover {
  /**
   * Resolves when control is proven. What is validated comes from the stored authorization alone (KF-A19).
   *
   * @param evidence filled while the attempt goes on, also when it fails
   * @throws {ValidationFailure} with the reason; the signal's reason when aborted
   */
  prove(
    job: { readonly challenge: ChallengeRecord; readonly authorization: AuthorizationRecord },
    attempt: { readonly signal: AbortSignal; readonly evidence: Evidence },
  ): Promise<void>
  /** How long one attempt can take at most, in milliseconds. */
  readonly attemptMs: number
}

/** In milliseconds; tests make them short. */
export interface ProverTimeouts {
  /** For one TCP connection; 10 s by default. */
  readonly connectMs: number
  /** For a whole attempt, look-ups and redirects included; 20 s by default (KF-A15). */
  readonly attemptMs: number
}

/** The two ways in which a proof leaves this machine. */
export interface ValidationNetwork {
  readonly dial: Dial
  readonly dns: DnsTransport
}

export interface ProverDeps {
  readonly clock: Clock
  readonly random: Random
  readonly config: Config['validation']
  readonly ownListeners: readonly OwnListener[] | (() => readonly OwnListener[])
  readonly timeouts?: Partial<ProverTimeouts> | undefined
  /** Default: sockets of this machine. */
  readonly network?: ValidationNetwork | undefined
}

const DEFAULT_TIMEOUTS: ProverTimeouts = { connectMs: 10_000, attemptMs: 20_000 }

/** @throws {Error} naming the entry of the configuration that cannot be read */
export function createProver(deps: ProverDeps): Prover {
  const { config, clock, random, ownListeners } = deps
  const { connectMs, attemptMs } = { ...DEFAULT_TIMEOUTS, ...deps.timeouts }
  const resolver = createResolver({
    servers: createServerTable({ resolvers: config.dns.resolvers, zones: config.dns.zones }),
    clock,
    random,
    timeoutMs: config.dns.timeout * 1000,
    transport: deps.network?.dns,
  })
  const egress = createEgressPolicy({
    allow: config.egress.allow,
    deny: config.egress.deny,
    ownListeners: typeof ownListeners === 'function' ? ownListeners : () => ownListeners,
  })
  const outbound = createOutbound({
    resolver,
    egress,
    clock,
    connectTimeoutMs: connectMs,
    dial: deps.network?.dial,
    // Also for those that take long, beside those that hold a place.
    maxTotal: config.concurrency * PLACES_AND_SLOW,
  })
  return {
    attemptMs,
    async prove(job, attempt) {
      try {
        await withDeadline(clock, attemptMs, attempt.signal, (signal) =>
          proveByType(job, { resolver, outbound, config }, { signal, evidence: attempt.evidence }),
        )
      } catch (error) {
        if (!(error instanceof DeadlinePassed)) throw error
        throw new ValidationFailure(
          'connection',
          `The validation of ${job.authorization.identifier.value} was ${error.message}`,
        )
      }
    },
  }
}

async function proveByType(
  job: { readonly challenge: ChallengeRecord; readonly authorization: AuthorizationRecord },
  parts: { resolver: Resolver; outbound: Outbound; config: Config['validation'] },
  probe: { readonly signal: AbortSignal; readonly evidence: Evidence },
): Promise<void> {
  const { challenge, authorization } = job
  const { resolver, outbound, config } = parts
  const { token, type } = challenge
  const keyAuthorization = checkedKeyAuthorization(challenge)
  const host = hostOf(authorization)
  if (authorization.wildcard && type !== 'dns-01') {
    throw hopeless(`A wildcard of ${authorization.identifier.value} can be proven by dns-01 only`)
  }
  switch (type) {
    case 'http-01':
      return proveHttp01({ host, token, keyAuthorization }, { outbound, ownPort: config.http01.port }, probe)
    case 'dns-01':
      // RFC 8738 §7 (KF-A27)
      if (host.type === 'ip')
        throw hopeless(`The address ${host.address} cannot be proven by dns-01; use http-01 or tls-alpn-01`)
      return proveDns01({ name: host.name, keyAuthorization }, resolver, probe)
    case 'tls-alpn-01':
      return proveTlsAlpn01({ host, keyAuthorization }, { outbound, port: config.tlsAlpn01.port }, probe)
    default:
      return type satisfies never
  }
}

/** The key authorization that was fixed when the client answered (RFC 8555 §7.3.5); it must be of this challenge. */
function checkedKeyAuthorization(challenge: ChallengeRecord): string {
  const text = challenge.keyAuthorization
  const prefix = `${challenge.token}.`
  if (text === undefined || !text.startsWith(prefix) || !/^[A-Za-z0-9_-]{43}$/.test(text.slice(prefix.length))) {
    throw new ValidationFailure('serverInternal', 'The challenge was not recorded completely; place a new order', {
      hopeless: true,
    })
  }
  return text
}

function hostOf({ identifier }: AuthorizationRecord): Host {
  if (identifier.type === 'dns') return { type: 'dns', name: identifier.value }
  const parsed = parseIpAddress(identifier.value)
  if (!parsed.ok) throw hopeless(`The identifier ${identifier.value} is not an address: ${parsed.reason}`)
  return { type: 'ip', address: parsed.address, bytes: parsed.bytes }
}

function hopeless(detail: string): ValidationFailure {
  return new ValidationFailure('malformed', detail, { hopeless: true })
}
