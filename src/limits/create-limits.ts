import type { Config } from '../config/schema.ts'
import { parseCidr } from '../lib/cidr.ts'
import type { Clock } from '../lib/clock.ts'
import { CLOCK_DISAGREEMENT_US, gcra, reachUs } from '../lib/gcra.ts'
import type { Identifier } from '../lib/identifier.ts'
import type { Random } from '../lib/random.ts'
import type { Logger } from '../observe/log.ts'
import type { Metrics } from '../observe/metrics.ts'
import type { LimitStore, NamePause, OrderStanding } from '../store/limit-store.ts'
import type { AccountRecord, CertificateRecord } from '../store/records.ts'
import { AddressLimits, KeyDigests } from './address-limits.ts'
import { type ClientAddress, clientAddress } from './client-address.ts'
import { LIMIT_NAMES, type LimitName } from './limit-names.ts'
import { type Admission, type Limited, type Limits, noLimits } from './limits.ts'
import { nameSetKey, parentNames, pauseKey } from './name-keys.ts'
import { parseRate, type Rate, widen } from './rate.ts'
import { type Charge, SharedLimits } from './shared-limits.ts'
import { GcraSketch } from './sketch.ts'
import { retryAfterSeconds } from './spread.ts'

export interface LimitsDependencies {
  readonly config: Config['limits']
  readonly store: LimitStore
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  readonly metrics: Metrics
}

/** How often the log says that a limit is being reached. */
const TELL_EVERY_MS = 60_000

/** @throws {Error} naming the entry of the configuration that cannot be read */
export function createLimits(dependencies: LimitsDependencies): Limits {
  const { config } = dependencies
  const trusted = config.trustedProxies.map(parseCidr)
  // Most requests come over a connection that brought some before.
  const known = new WeakMap<object, ClientAddress>()
  const addressOf: Limits['addressOf'] = (request) => {
    if (trusted.length > 0) return clientAddress(request, trusted)
    const seen = known.get(request.socket)
    if (seen !== undefined) return seen
    const address = clientAddress(request, trusted)
    known.set(request.socket, address)
    return address
  }
  if (!config.enabled) return { ...noLimits, addressOf }
  return new ConfiguredLimits(dependencies, addressOf)
}

class ConfiguredLimits implements Limits {
  readonly addressOf: Limits['addressOf']
  readonly helpUrl?: string
  readonly pause?: NonNullable<Limits['pause']>
  readonly #deps: LimitsDependencies
  readonly #rates: ReadonlyMap<LimitName, Rate>
  readonly #shared: SharedLimits
  readonly #byAddress: ReadonlyMap<LimitName, AddressLimits>
  readonly #keys: KeyDigests
  /** A client that renews the same names over and over pays for them as for new ones. */
  readonly #renewals: GcraSketch | undefined
  readonly #told = new Map<string, { atMs: number; since: number }>()

  constructor(deps: LimitsDependencies, addressOf: Limits['addressOf']) {
    const { config, clock } = deps
    this.#deps = deps
    this.addressOf = addressOf
    if (config.helpUrl !== undefined) this.helpUrl = config.helpUrl
    if (config.pauseAfterFailures > 0) {
      this.pause = {
        failures: config.pauseAfterFailures,
        seconds: config.pauseFor,
        atMostSeconds: Math.max(config.pauseFor, config.pauseAtMost),
      }
    }
    this.#rates = ratesOf(config)
    this.#shared = new SharedLimits(deps)
    this.#keys = new KeyDigests(deps.random.bytes(32))
    const byAddress = new Map<LimitName, AddressLimits>()
    for (const name of ['requestsPerAddress', 'newNoncesPerAddress', 'failedRequestsPerAddress'] as const) {
      const rate = this.#rates.get(name)
      const options = { factor: config.ipv6NetworkFactor, keys: this.#keys, clock }
      if (rate !== undefined) byAddress.set(name, new AddressLimits(rate, options))
    }
    this.#byAddress = byAddress
    const renewals = this.#rates.get('renewalsPerNameSet')
    this.#renewals = renewals && new GcraSketch(renewals)
  }

  request(from: ClientAddress, endpoint: string): Limited | undefined {
    const failed = this.#byAddress.get('failedRequestsPerAddress')?.peek(from) ?? 0
    if (failed > 0) return this.#limited('failedRequestsPerAddress', from.key, failed / 1000)
    const all = this.#byAddress.get('requestsPerAddress')?.take(from) ?? 0
    if (all > 0) return this.#limited('requestsPerAddress', from.key, all / 1000)
    if (endpoint !== 'new-nonce') return undefined
    const nonces = this.#byAddress.get('newNoncesPerAddress')?.take(from) ?? 0
    return nonces > 0 ? this.#limited('newNoncesPerAddress', from.key, nonces / 1000) : undefined
  }

  notAuthenticated(from: ClientAddress): void {
    this.#byAddress.get('failedRequestsPerAddress')?.take(from)
  }

  newAccount(from: ClientAddress): Promise<Admission> {
    const rate = this.#rates.get('newAccountsPerAddress')
    if (rate === undefined) return Promise.resolve({ taken: [] })
    const charge = (subject: string, rule: Rate): Charge => ({
      key: `newAccountsPerAddress:${subject}`,
      rule,
      units: 1,
    })
    const charges = [charge(from.key, rate)]
    if (from.network !== undefined) charges.push(charge(from.network, widen(rate, this.#deps.config.ipv6NetworkFactor)))
    return this.#take(charges)
  }

  async order({ directory, account, identifiers, isOrder }: Parameters<Limits['order']>[0]): Promise<Admission> {
    const now = this.#deps.clock.now()
    const set = nameSetKey(account.id, identifiers)
    const names = this.pause === undefined ? [] : identifiers.map((identifier) => pauseKey(account.id, identifier))
    const standing = await this.#deps.store.standing({ set, names }, now)
    const pauses = this.#pausesOf(standing, now)
    if (pauses.length > 0) return { limited: this.#paused(pauses, now) }
    if (isOrder) {
      const waitUs = this.#setWait(standing, now)
      if (waitUs > 0) return { limited: this.#limited('certificatesPerNameSet', account.id, waitUs / 1000) }
      if (this.#isRenewal(standing, set, now)) return { taken: [] }
    }
    const externalKey = account.externalKey?.lineage ?? account.eabKeyId
    return this.#take([
      ...this.#charge('newNamesPerAccount', account.id, identifiers.length),
      ...(externalKey === undefined ? [] : this.#charge('newNamesPerExternalKey', externalKey, identifiers.length)),
      ...this.#charge('newNamesPerDirectory', directory, identifiers.length),
      // Only asked here, and taken when a certificate is stored: who cannot prove a name uses up nothing of its parent.
      ...(isOrder ? this.#parentCharges(directory, identifiers, 0) : []),
    ])
  }

  revocation(by: AccountRecord | ClientAddress): Promise<Admission> {
    return this.#take(this.#charge('revocations', 'id' in by ? by.id : by.key, 1))
  }

  keyChange(account: AccountRecord): Promise<Admission> {
    return this.#take(this.#charge('keyChangesPerAccount', account.id, 1))
  }

  giveBack(taken: readonly Charge[]): void {
    this.#shared.giveBack(taken)
  }

  namesOf(certificate: CertificateRecord): ReturnType<Limits['namesOf']> {
    const { accountId, identifiers, notAfter } = certificate
    if (accountId === undefined) return undefined
    const rule = this.#rates.get('certificatesPerNameSet')
    return {
      key: nameSetKey(accountId, identifiers),
      renewableUntil: new Date(notAfter.getTime() + this.#deps.config.renewableFor * 1000),
      ...(rule && { rule: { intervalUs: rule.intervalUs, burst: rule.burst } }),
    }
  }

  issued({ directory, identifiers }: CertificateRecord): void {
    if (directory !== undefined) this.#shared.spend(this.#parentCharges(directory, identifiers, 1))
  }

  settled(): Promise<void> {
    return this.#shared.settled()
  }

  #parentCharges(directory: string, identifiers: readonly Identifier[], units: number): Charge[] {
    return parentNames(identifiers, this.#deps.config.parentLabels).flatMap((parent) =>
      this.#charge('certificatesPerParent', `${directory}/${parent}`, units),
    )
  }

  #charge(limit: LimitName, subject: string, units: number): Charge[] {
    const rule = this.#rates.get(limit)
    return rule === undefined ? [] : [{ key: `${limit}:${subject}`, rule, units }]
  }

  async #take(charges: readonly Charge[]): Promise<Admission> {
    if (charges.length === 0) return { taken: [] }
    const outcome = await this.#shared.take(charges)
    if (outcome.ok) return { taken: charges }
    const [limit = '', subject = ''] = splitKey(outcome.key)
    return { limited: this.#limited(limit as LimitName, subject, outcome.waitMs) }
  }

  #setWait({ issued }: OrderStanding, now: Date): number {
    const rule = this.#rates.get('certificatesPerNameSet')
    if (rule === undefined || issued === undefined) return 0
    const nowUs = now.getTime() * 1000
    // Nothing is written here, so that an instant no clock could have written must not refuse for ever; the next
    // certificate puts it right.
    if (issued.tatUs > nowUs + reachUs(rule) + rule.intervalUs + CLOCK_DISAGREEMENT_US) return 0
    const decision = gcra(rule, issued.tatUs, nowUs, 1)
    return decision.allowed ? 0 : decision.waitUs
  }

  #isRenewal({ issued }: OrderStanding, set: string, now: Date): boolean {
    if (issued === undefined || issued.renewableUntil <= now) return false
    const nowUs = Math.floor(this.#deps.clock.monotonicMs() * 1000)
    return this.#renewals === undefined || this.#renewals.take(this.#keys.of(set), nowUs) === 0
  }

  /** A pause that reaches further than one can is of a clock that ran ahead. */
  #pausesOf({ pauses }: OrderStanding, now: Date): readonly NamePause[] {
    const { pause } = this
    if (pause === undefined || pauses.length === 0) return []
    const latest = now.getTime() + pause.atMostSeconds * 1000 + CLOCK_DISAGREEMENT_US / 1000
    return pauses.filter(({ pausedUntil }) => pausedUntil.getTime() <= latest)
  }

  #paused(pauses: readonly NamePause[], now: Date): Limited {
    const until = Math.max(...pauses.map(({ pausedUntil }) => pausedUntil.getTime()))
    const most = Math.max(...pauses.map(({ failures }) => failures))
    const [first] = pauses
    const refused = this.#refusal('pause', `${most}`, until - now.getTime(), now)
    this.#tell(refused, first?.key ?? '')
    return { ...refused, pauses }
  }

  #limited(limit: LimitName, subject: string, waitMs: number): Limited {
    const size = this.#rates.get(limit)?.text ?? ''
    const refused = this.#refusal(limit, size, waitMs, this.#deps.clock.now())
    this.#tell(refused, subject)
    return refused
  }

  #refusal(limit: Limited['limit'], size: string, waitMs: number, now: Date): Limited {
    const seconds = retryAfterSeconds(waitMs, this.#deps.random)
    return { limit, size, retryAfterSeconds: seconds, retryAt: new Date(now.getTime() + seconds * 1000) }
  }

  /** Each refusal is counted; the log says it once a minute for each limit, with the requester that was last. */
  #tell({ limit, size, retryAfterSeconds }: Limited, subject: string): void {
    const { clock, log, metrics } = this.#deps
    metrics.count('chancery_rate_limited_total', { limit })
    const nowMs = clock.monotonicMs()
    const told = this.#told.get(limit)
    if (told !== undefined && nowMs - told.atMs < TELL_EVERY_MS) {
      told.since++
      return
    }
    this.#told.set(limit, { atMs: nowMs, since: 0 })
    log.warn('limits.reached', {
      limit,
      subject,
      size,
      retryAfterSeconds,
      refusedSinceLastLine: (told?.since ?? 0) + 1,
    })
  }
}

function ratesOf(config: Config['limits']): ReadonlyMap<LimitName, Rate> {
  const rates = new Map<LimitName, Rate>()
  for (const name of LIMIT_NAMES) {
    const rate = parseRate(config[name])
    if (typeof rate === 'string') throw new Error(`limits.${name}: ${rate}`)
    if (rate !== undefined) rates.set(name, rate)
  }
  return rates
}

function splitKey(key: string): [string, string] {
  const colon = key.indexOf(':')
  return [key.slice(0, colon), key.slice(colon + 1)]
}
