import './event-loop.ts'
import { RESUME_LIMIT_SECONDS } from '../../src/issuance/resume-limit.ts'
import { AcmeClient, type ClientParts } from './acme-client.ts'
import { makeAuthority } from './authority.ts'
import type { Chance } from './chance.ts'
import { SimDisk } from './disk.ts'
import { Internet } from './internet.ts'
import { Machine } from './machine.ts'
import type { Society } from './members.ts'
import { Operator } from './operator.ts'
import { PLANTS, type Plant, type PlantName } from './plants.ts'
import { comeToTheEnd, configOf, drawKnobs, everyHour, populate, relyingParty } from './scenario.ts'
import { SimSigner } from './signer.ts'
import { Uplink } from './uplink.ts'
import { Witness } from './witness.ts'
import { World } from './world.ts'

export interface SimulationOptions {
  readonly seed: string
  /** Days of life, before everybody goes and the rest of retention's time is waited for. */
  readonly days: number
  /** Well-behaved clients; a troublemaker for every two of them comes on top. */
  readonly members: number
  /** Kills a day; default 2. */
  readonly crashRate?: number
  /** Other faults a day; default 3. */
  readonly faultRate?: number
  readonly plant?: PlantName
  /** Waits until all that is over is deleted, and looks that nothing is left. Default true. */
  readonly toTheEnd?: boolean
  readonly echo?: (line: string) => void
  /** Called after each simulated day. */
  readonly onDay?: (day: number) => void
}

export interface SimulationReport {
  readonly seed: string
  readonly days: number
  readonly traceHash: string
  readonly tail: readonly string[]
  /** What broke, if anything did. */
  readonly failure?: unknown
  readonly facts: Readonly<Record<string, number>>
}

const DAY_MS = 86_400_000
const START_MS = Date.parse('2026-03-01T00:00:00Z')

/** Runs one history. Never rejects for what it finds; that is in the report. */
export async function simulate(options: SimulationOptions): Promise<SimulationReport> {
  const world = new World({ seed: options.seed, startMs: START_MS, echo: options.echo })
  const plant: Plant = PLANTS[options.plant ?? 'none']
  const knobs = drawKnobs(world.chance.fork('knobs'))
  const authority = await makeAuthority(new Date(START_MS))
  const config = await configOf(knobs)
  const disk = new SimDisk()
  const machine = new Machine(world)
  const signer = new SimSigner(authority.key, world)
  const seconds = 1000
  const witness = new Witness({
    world,
    disk,
    authority,
    promises: {
      validAuthorizationMs: config.orders.validAuthorizationLifetime * seconds,
      orderLifetimeMs: config.orders.lifetime * seconds,
      resumeLimitMs: RESUME_LIMIT_SECONDS * seconds,
      rebuildWithinMs: config.crl.rebuildWithin * seconds,
      finalOrdersMs: config.retention.finalOrders * seconds,
      expiredCertificatesMs: config.retention.expiredCertificates * seconds,
      unusedAccountsMs: config.retention.unusedAccounts * seconds,
      auditMs: config.retention.audit * seconds,
      decisionsMs: config.retention.decisions * seconds,
      countsNames: knobs.policy === 'rules',
    },
  })
  signer.onSign = (message) => witness.signing(message)
  const internet = new Internet(world, (name, thumbprint, type) => witness.proofServed(name, thumbprint, type))
  const uplink = new Uplink(
    world,
    () => operator.server,
    (request, reply) => witness.answered(request, reply),
  )
  const lifetimeMs = knobs.lifetimeHours * 3_600_000
  const operator: Operator = new Operator({
    world,
    machine,
    disk,
    signer,
    internet,
    uplink,
    witness,
    crashRate: options.crashRate ?? 2,
    faultRate: options.faultRate ?? 3,
    longestOutageMs: lifetimeMs / 24,
    server: {
      seed: options.seed,
      config,
      authority,
      disk,
      signer,
      internet,
      pollMs: knobs.pollSeconds * seconds,
      hasRules: knobs.policy === 'rules',
      plant,
      onError: (event, { error }) => witness.errorLogged(event, String(error)),
    },
  })
  const society: Society = {
    world,
    isOver: false,
    client: (chance, name) => new AcmeClient(partsFor(chance, name)),
    host: (name) => internet.addHost(name),
  }
  const partsFor = (chance: Chance, name: string): ClientParts => ({ world, uplink, witness, chance, name })

  let failure: unknown
  try {
    world.spawn(operator.begin())
    populate(society, partsFor, options.members)
    world.spawn(relyingParty(world, operator, witness))
    world.spawn(everyHour(world, witness))
    await live(world, options)
    society.isOver = true
    operator.retire()
    if (options.toTheEnd ?? true) await comeToTheEnd({ world, operator, witness, disk, retention: config.retention })
  } catch (error) {
    failure = error
  }
  const facts = {
    ...witness.counts,
    ...operator.counts,
    commits: disk.commits,
    signatures: signer.signatures,
    steps: world.steps,
    databaseBytes: disk.bytes,
  }
  disk.remove()
  const { traceHash, tail } = { traceHash: world.traceHash(), tail: world.tail }
  return { seed: options.seed, days: world.day, traceHash, tail, facts, ...(failure === undefined ? {} : { failure }) }
}

async function live(world: World, { days, onDay }: SimulationOptions): Promise<void> {
  for (let day = 1; day <= Math.ceil(days); day++) {
    await world.run(START_MS + Math.min(day, days) * DAY_MS)
    onDay?.(day)
  }
}
