import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { SpawnedChancery } from '../../support/chancery.ts'
import { type HttpTarget, startHttpTarget } from '../../support/http-target.ts'
import { Auditor } from './auditor.ts'
import { Choices } from './choices.ts'
import { watchCrl } from './crl-watch.ts'
import { makeEabKeys } from './eab-desk.ts'
import { type Eyes, sqliteEyes } from './eyes.ts'
import { Gate, type Life } from './gate.ts'
import { type Ground, SQLITE } from './ground.ts'
import { drawKill, type KillKind, type KillPlan } from './kill-plan.ts'
import { verifyAll } from './openssl.ts'
import { pause } from './patient-client.ts'
import { OutsideRecord, type Violation } from './record.ts'
import { listNamesRevoked, openReservationsEnd } from './settle.ts'
import { Signatures } from './signatures.ts'
import { spawnDoomed } from './spawn-doomed.ts'
import { checkCertificates, checkRules, checkSignatures } from './store-checks.ts'
import { type EabKey, Visit } from './visit.ts'

export interface CampaignOptions {
  readonly kills: number
  readonly seed: string
  /** Default: SQLite. It is closed at the end. */
  readonly ground?: Ground
  /** The longest that a life may last, drawn evenly below it. */
  readonly secondsPerLife: number
  /** Clients at the same time. */
  readonly clients: number
  /** Gets a line now and then. */
  readonly say?: (line: string) => void
  /** How much longer than it is the log of the database looks (default: 60, so that its pages are copied often). */
  readonly logFactor?: number
  /** How long the last life may take until the list names everything that was revoked (default: 20 s). */
  readonly listWithinMs?: number
  /** The end of each life instead of a drawn one. */
  readonly plan?: (life: number) => KillPlan
  /** How far ahead the clock of the last life is, so that the leases of the dead end at once (default: not at all). */
  readonly lastOffsetMs?: number
  /** Ends the killing before its time. */
  readonly isEnough?: () => boolean
  /** Called between the lives, when no server runs: tests of the harness itself do damage here. */
  readonly betweenLives?: (parts: BetweenLives) => Promise<void> | void
}

export interface BetweenLives {
  readonly life: number
  readonly home: string
  /** What the server's keys signed, in hex, a line each. */
  readonly signedFile: string
  readonly record: OutsideRecord
}

export interface CampaignResult {
  readonly seed: string
  readonly kills: Readonly<Record<string, number>>
  readonly acknowledged: Readonly<Record<string, number>>
  readonly looks: number
  readonly seconds: number
  readonly verifiedBy: string
  readonly violations: readonly Violation[]
  /** The state folder, the outside record and what was signed; kept when something is wrong. */
  readonly folder: string
}

const LOG_FACTOR = 60
/** The whole store is looked over after so many lives. */
const RULES_EVERY = 40
/** Visits that wait for what a crash left; more would only make the end longer. */
const MOST_STUCK = 400
const DRAIN_MS = 240_000
const EAB_KEYS = 6

/** Kills a server under load as often as asked, and compares what it says with what it had acknowledged. */
export async function runCampaign(options: CampaignOptions): Promise<CampaignResult> {
  const target = await startHttpTarget({ address: '127.0.0.1' })
  const campaign = new Campaign(options, target, await mkdtemp(join(tmpdir(), 'chancery-crash-')))
  try {
    return await campaign.run()
  } finally {
    await target.close()
    await options.ground?.close()
  }
}

const signedFileOf = (home: string): string => join(home, 'signed.hex')

class Campaign {
  readonly #options: CampaignOptions
  readonly #target: HttpTarget
  readonly #folder: string
  readonly #ground: Ground
  /** The state folder of each server. */
  readonly #homes: readonly string[]
  readonly #record: OutsideRecord
  readonly #signatures: Signatures
  readonly #gate = new Gate()
  readonly #choices: Choices
  readonly #kills: Record<string, number> = {}
  readonly #eabKeys: EabKey[] = []
  readonly #visits = new Set<Promise<void>>()
  #isClosing = false
  #isOver = false
  #visitCount = 0
  #stops = 0
  #lives = 0
  #turn: Promise<unknown> = Promise.resolve()

  constructor(options: CampaignOptions, target: HttpTarget, folder: string) {
    this.#options = options
    this.#target = target
    this.#folder = folder
    this.#ground = options.ground ?? SQLITE
    this.#homes = Array.from({ length: this.#ground.replicas }, (_, number) => join(folder, `home-${number}`))
    this.#record = new OutsideRecord(join(folder, 'record.jsonl'))
    this.#signatures = new Signatures(this.#homes.map(signedFileOf))
    this.#choices = new Choices(options.seed, 'lives')
  }

  async run(): Promise<CampaignResult> {
    const begun = performance.now()
    const auditor = new Auditor({
      gate: this.#gate,
      record: this.#record,
      choices: new Choices(this.#options.seed, 'auditor'),
    })
    const isOver = (): boolean => this.#isOver
    const crowd = Array.from({ length: this.#options.clients }, () => this.#client())
    const watchers = [
      auditor.run(isOver),
      watchCrl({ gate: this.#gate, record: this.#record, replicas: this.#ground.replicas }, isOver),
    ]
    let verifiedBy = 'nobody'
    try {
      await this.#prepare()
      await Promise.all(this.#homes.map((home) => this.#killAgainAndAgain(home, begun)))
      verifiedBy = await this.#end({ auditor, crowd, watchers })
    } catch (error) {
      this.#record.violation('starts', (error as Error).stack ?? String(error))
    } finally {
      this.#isClosing = true
      this.#isOver = true
      this.#gate.close()
      await Promise.allSettled([...crowd, ...watchers])
      auditor.close()
    }
    const { violations } = this.#record
    if (violations.length === 0) await rm(this.#folder, { recursive: true, force: true })
    return {
      seed: this.#options.seed,
      kills: this.#kills,
      acknowledged: {
        ...this.#record.tally(),
        'stops in good order between the kills': this.#stops,
        'leaf signatures made': this.#signatures.count,
      },
      looks: auditor.looks,
      seconds: (performance.now() - begun) / 1000,
      verifiedBy,
      violations,
      folder: this.#folder,
    }
  }

  /** Several servers of one CA have its keys, so one makes them and the others get them (docs/postgresql.md). */
  async #prepare(): Promise<void> {
    const [first = '', ...others] = this.#homes
    if (others.length === 0) return
    const server = await this.#spawn(first, undefined)
    await server?.stop()
    const own = [
      join(first, 'offline'),
      join(first, 'tls.pem'),
      join(first, 'keys', 'tls.key.pem'),
      signedFileOf(first),
    ]
    for (const home of others) await cp(first, home, { recursive: true, filter: (path) => !own.includes(path) })
  }

  async #killAgainAndAgain(home: string, begun: number): Promise<void> {
    const { kills, isEnough = () => false, secondsPerLife, plan, betweenLives } = this.#options
    const { weights } = this.#ground
    while (this.#killed < kills && !isEnough()) {
      const life = ++this.#lives
      this.#record.life = life
      const drawn = drawKill(this.#choices, { life, secondsPerLife, weights })
      await this.#live(home, life, plan?.(life) ?? drawn)
      await betweenLives?.({ life, home, signedFile: signedFileOf(home), record: this.#record })
      if (life % 10 === 0) this.#options.say?.(this.#progress(begun))
    }
  }

  /** One life: a start, load, and the end that was drawn for it. */
  async #live(home: string, life: number, plan: KillPlan): Promise<void> {
    if (plan.kind === 'first-start' || plan.kind === 'first-commits') return this.#firstStart(plan)
    const place = 'place' in plan ? plan.place : undefined
    const started = await this.#alone(async () => {
      const server = await this.#spawn(home, plan, place)
      if (server === undefined) return undefined
      const ended = this.#open(life, server)
      await this.#look(life)
      await this.#stockEabKeys(home)
      return { server, ended }
    })
    // It died while it started, as it was to.
    if (started === undefined) return this.#count(plan.kind)
    const { server, ended } = started
    switch (plan.kind) {
      case 'time':
        await Promise.race([ended, pause(plan.afterMs)])
        break
      case 'start':
        await ended
        break
      case 'database':
        await Promise.race([ended, pause(plan.afterMs)])
        await this.#alone(async () => this.#ground.crash?.())
        this.#count('database')
        await Promise.race([ended, pause(plan.thenMs)])
        break
      case 'stop':
        await Promise.race([ended, pause(plan.afterMs)])
        server.child.kill('SIGTERM')
        await Promise.race([ended, pause(plan.graceMs)])
        break
      default:
        // A place that this life does not come to must not make it endless.
        await Promise.race([ended, pause(this.#options.secondsPerLife * 1500)])
    }
    const wasAlive = server.child.exitCode === null && server.child.signalCode === null
    const how = await server.stop('SIGKILL')
    await ended
    const stoppedInTime = plan.kind === 'stop' && how.code === 0
    if (how.signal !== 'SIGKILL' && !stoppedInTime)
      this.#record.violation('stays-up', `the server ended by itself: ${how.code} ${how.signal}\n${server.stderr()}`)
    if (stoppedInTime) this.#stops++
    else this.#count(plan.kind === 'database' || (wasAlive && 'place' in plan) ? 'time' : plan.kind)
    const crash = /"event":"process\.(uncaught_exception|unhandled_rejection)".*/.exec(server.stdout())
    if (crash !== null) this.#record.violation('stays-up', crash[0])
  }

  #spawn(home: string, plan: KillPlan | undefined, place?: string): Promise<SpawnedChancery | undefined> {
    return spawnDoomed({
      home,
      plan,
      place,
      settings: this.#settings(),
      signedFile: signedFileOf(home),
      logFactor: this.#options.logFactor ?? LOG_FACTOR,
      clockOffsetMs: this.#isClosing ? (this.#options.lastOffsetMs ?? 0) : 0,
    })
  }

  /** A first start is killed, and the next one must find its way from whatever is there. */
  async #firstStart(plan: KillPlan): Promise<void> {
    const home = await mkdtemp(join(this.#folder, 'first-'))
    const place = 'place' in plan ? plan.place : undefined
    const killed = await this.#spawn(home, plan, place)
    await killed?.stop('SIGKILL')
    this.#count(plan.kind)
    const server = await this.#spawn(home, undefined)
    await server?.stop('SIGKILL')
    const eyes = sqliteEyes(join(home, 'chancery.db'))
    try {
      await checkSignatures(eyes, this.#record, new Signatures([signedFileOf(home)]))
      await checkRules(eyes, this.#record, 'always')
    } finally {
      await eyes.close()
    }
    await rm(home, { recursive: true, force: true })
  }

  /** Starts, and crashes of the database, one after the other: a start without a database is no start. */
  #alone<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#turn.then(work)
    this.#turn = mine.catch(() => undefined)
    return mine
  }

  #open(number: number, server: SpawnedChancery): Promise<void> {
    const { child } = server
    const ended = new Promise<void>((resolve) => {
      if (child.exitCode !== null || child.signalCode !== null) return resolve()
      child.once('exit', () => resolve())
    })
    const life: Life = { number, server, ended }
    this.#gate.open(life)
    return ended
  }

  async #look(life: number): Promise<void> {
    await this.#withEyes(async (eyes) => {
      await checkSignatures(eyes, this.#record, this.#signatures)
      if (life % RULES_EVERY === 0) await checkRules(eyes, this.#record, 'always')
    })
  }

  async #withEyes(look: (eyes: Eyes) => Promise<void>): Promise<void> {
    const eyes = await this.#ground.eyes(this.#homes[0] ?? '')
    try {
      await look(eyes)
    } finally {
      await eyes.close()
    }
  }

  /** A last life in which everything comes to its end; then the sweep over all that was ever acknowledged. */
  async #end(parts: {
    readonly auditor: Auditor
    readonly crowd: readonly Promise<void>[]
    readonly watchers: readonly Promise<void>[]
  }): Promise<string> {
    this.#isClosing = true
    this.#record.life++
    this.#options.say?.(`no more kills; ${this.#visits.size} clients come to their end`)
    const server = await this.#spawn(this.#homes[0] ?? '', undefined)
    if (server === undefined) throw new Error('the last start was killed by nobody of ours')
    const ended = this.#open(this.#record.life, server)
    try {
      const drained = Promise.all([...parts.crowd, ...this.#visits]).then(() => true)
      if (!(await Promise.race([drained, pause(DRAIN_MS).then(() => false)])))
        this.#record.violation('order-ends', `${this.#visits.size} clients still wait after ${DRAIN_MS / 1000} s`)
      await openReservationsEnd((look) => this.#withEyes(look), DRAIN_MS)
      await listNamesRevoked(this.#record, this.#options.listWithinMs ?? 20_000)
      this.#isOver = true
      await Promise.all(parts.watchers)
      this.#options.say?.('the sweep over everything')
      await parts.auditor.sweep()
    } finally {
      const how = await server.stop()
      await ended
      if (how.code !== 0) this.#record.violation('stays-up', `the last server ended with ${how.code} ${how.signal}`)
    }
    await this.#withEyes(async (eyes) => {
      await checkSignatures(eyes, this.#record, this.#signatures)
      await checkRules(eyes, this.#record, 'end')
      await checkCertificates(eyes, this.#record)
    })
    return verifyAll(this.#record, { rootPem: server.rootPem, folder: this.#folder })
  }

  /** One place in the crowd: one visit after the other, not waiting for those that a crash holds up. */
  async #client(): Promise<void> {
    await this.#gate.server()
    while (!this.#isClosing) {
      const visit = this.#visit()
      const stuck = new Promise<void>((resolve) => {
        visit.onStuck = resolve
      })
      const running = visit.run()
      this.#visits.add(running)
      void running.then(() => this.#visits.delete(running))
      await Promise.race([running, ...(this.#visits.size > MOST_STUCK ? [] : [stuck])])
    }
  }

  #visit(): Visit {
    const number = this.#visitCount++
    return new Visit({
      gate: this.#gate,
      record: this.#record,
      target: this.#target,
      choices: new Choices(this.#options.seed, 'visit', number),
      label: `n${number}`,
      takeEabKey: () => this.#eabKeys.pop(),
      isClosing: () => this.#isClosing,
    })
  }

  async #stockEabKeys(home: string): Promise<void> {
    if (this.#eabKeys.length > 0) return
    try {
      this.#eabKeys.push(...(await makeEabKeys(home, this.#settings(), EAB_KEYS)))
    } catch (error) {
      this.#record.violation('starts', (error as Error).message)
    }
  }

  #settings(): string[] {
    return [
      `validation.http01.port=${this.#target.port}`,
      'validation.attempts=1',
      // In the certificates, so it has to outlive the changing ports.
      'publicHttpUrl=http://ca.test',
      'directories.default.externalAccount=none',
      'directories.bound.externalAccount=required',
      'orders.allowCertificateGet=true',
      'crl.rebuildWithin=1',
      'limits.enabled=false',
      ...this.#ground.settings,
    ]
  }

  get #killed(): number {
    return Object.values(this.#kills).reduce((sum, count) => sum + count, 0)
  }

  #count(kind: KillKind): void {
    this.#kills[kind] = (this.#kills[kind] ?? 0) + 1
  }

  #progress(begun: number): string {
    const { certificates, revoked, violations } = this.#record
    const seconds = Math.round((performance.now() - begun) / 1000)
    return `${this.#killed} kills in ${seconds} s: ${certificates.size} certificates, ${revoked.length} revocations, ${this.#visits.size} clients on their way, ${violations.length} violations`
  }
}
