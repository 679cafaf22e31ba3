import type { ChildProcess } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { runCli } from '../../../src/cli/run.ts'
import { type SpawnedChancery, spawnChancery } from '../../support/chancery.ts'
import { type HttpTarget, startHttpTarget } from '../../support/http-target.ts'
import { Auditor } from './auditor.ts'
import { Choices } from './choices.ts'
import { watchCrl } from './crl-watch.ts'
import { type Eyes, sqliteEyes } from './eyes.ts'
import { Gate, type Life } from './gate.ts'
import { drawKill, type KillKind, type KillPlan } from './kill-plan.ts'
import { verifyAll } from './openssl.ts'
import { pause } from './patient-client.ts'
import { OutsideRecord, type Violation } from './record.ts'
import { Signatures } from './signatures.ts'
import { checkCertificates, checkRules, checkSignatures } from './store-checks.ts'
import { type EabKey, Visit } from './visit.ts'

export interface CampaignOptions {
  readonly kills: number
  readonly seed: string
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

const HOOK = fileURLToPath(new URL('../../support/kill-at.ts', import.meta.url))
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
  }
}

const signedFileOf = (home: string): string => join(home, 'signed.hex')

class Campaign {
  readonly #options: CampaignOptions
  readonly #target: HttpTarget
  readonly #folder: string
  readonly #home: string
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

  constructor(options: CampaignOptions, target: HttpTarget, folder: string) {
    this.#options = options
    this.#target = target
    this.#folder = folder
    this.#home = join(folder, 'home')
    this.#record = new OutsideRecord(join(folder, 'record.jsonl'))
    this.#signatures = new Signatures(signedFileOf(this.#home))
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
    const watchers = [auditor.run(isOver), watchCrl({ gate: this.#gate, record: this.#record }, isOver)]
    let verifiedBy = 'nobody'
    try {
      const { kills, isEnough = () => false } = this.#options
      for (let life = 1; this.#killed < kills && !isEnough(); life++) {
        this.#record.life = life
        const drawn = drawKill(this.#choices, { life, secondsPerLife: this.#options.secondsPerLife })
        await this.#live(life, this.#options.plan?.(life) ?? drawn)
        await this.#options.betweenLives?.({
          life,
          home: this.#home,
          signedFile: signedFileOf(this.#home),
          record: this.#record,
        })
        if (life % 10 === 0) this.#options.say?.(this.#progress(begun))
      }
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
      acknowledged: this.#acknowledged(),
      looks: auditor.looks,
      seconds: (performance.now() - begun) / 1000,
      verifiedBy,
      violations,
      folder: this.#folder,
    }
  }

  /** One life: a start, load, and the end that was drawn for it. */
  async #live(life: number, plan: KillPlan): Promise<void> {
    if (plan.kind === 'first-start' || plan.kind === 'first-commits') return this.#firstStart(plan)
    const place = 'place' in plan ? plan.place : undefined
    const server = await this.#spawn(this.#home, plan, place)
    // It died while it started, as it was to.
    if (server === undefined) return this.#count(plan.kind)
    const ended = this.#open(life, server)
    await this.#look(life)
    await this.#stockEabKeys()
    switch (plan.kind) {
      case 'time':
        await Promise.race([ended, pause(plan.afterMs)])
        break
      case 'start':
        await ended
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
    else this.#count(wasAlive && 'place' in plan ? 'time' : plan.kind)
    const crash = /"event":"process\.(uncaught_exception|unhandled_rejection)".*/.exec(server.stdout())
    if (crash !== null) this.#record.violation('stays-up', crash[0])
  }

  /** Starts a server that may not live to be ready; undefined when it did not. */
  async #spawn(home: string, plan: KillPlan | undefined, place?: string): Promise<SpawnedChancery | undefined> {
    let child: ChildProcess | undefined
    try {
      return await spawnChancery({
        home,
        set: this.#settings(),
        env: {
          NODE_OPTIONS: `--import=${HOOK}`,
          CHANCERY_TEST_LOG_FACTOR: String(this.#options.logFactor ?? LOG_FACTOR),
          CHANCERY_TEST_SIGNED: signedFileOf(home),
          ...(place === undefined ? {} : { CHANCERY_TEST_KILL: place }),
        },
        onSpawn: (spawned) => {
          child = spawned
          if (plan?.kind === 'start' || plan?.kind === 'first-start')
            setTimeout(() => spawned.kill('SIGKILL'), plan.afterMs)
        },
      })
    } catch (error) {
      if (child?.signalCode === 'SIGKILL') return undefined
      throw error
    }
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
      await checkSignatures(eyes, this.#record, new Signatures(signedFileOf(home)))
      await checkRules(eyes, this.#record, 'always')
    } finally {
      await eyes.close()
    }
    await rm(home, { recursive: true, force: true })
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
    const eyes = sqliteEyes(join(this.#home, 'chancery.db'))
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
    const server = await this.#spawn(this.#home, undefined)
    if (server === undefined) throw new Error('the last start was killed by nobody of ours')
    const ended = this.#open(this.#record.life, server)
    try {
      const drained = Promise.all([...parts.crowd, ...this.#visits]).then(() => true)
      if (!(await Promise.race([drained, pause(DRAIN_MS).then(() => false)])))
        this.#record.violation('order-ends', `${this.#visits.size} clients still wait after ${DRAIN_MS / 1000} s`)
      await this.#waitForEnds()
      await this.#waitForList()
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

  /** What nobody waits for is taken up by the server itself: reservations whose client does not know of them. */
  async #waitForEnds(): Promise<void> {
    const open = 'SELECT COUNT(*) AS open FROM certificates WHERE issued_at IS NULL AND abandoned_at IS NULL'
    const until = performance.now() + DRAIN_MS
    for (let left = 1; left > 0 && performance.now() < until; ) {
      await this.#withEyes(async (eyes) => {
        left = Number((await eyes.rows(open))[0]?.['open'] ?? 0)
      })
      if (left > 0) await pause(500)
    }
  }

  async #waitForList(): Promise<void> {
    const missing = (): string[] =>
      this.#record.revoked
        .filter((one) => this.#record.listed.get(one.serial) !== one.revokedFor)
        .map(({ serial }) => serial)
    const until = performance.now() + (this.#options.listWithinMs ?? 20_000)
    while (missing().length > 0 && performance.now() < until) await pause(200)
    for (const serial of missing())
      this.#record.violation(
        'revocation',
        `${serial} was revoked, and the newest list says ${this.#record.listed.get(serial) ?? 'nothing'}`,
      )
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

  /** As an operator does it, by the command beside the running server. */
  async #stockEabKeys(): Promise<void> {
    if (this.#eabKeys.length > 0) return
    for (let left = EAB_KEYS; left > 0; left--) {
      const lines: string[] = []
      const around = {
        env: { CHANCERY_HOME: this.#home },
        cwd: this.#folder,
        out: (line: string) => void lines.push(line),
        err: (line: string) => void lines.push(line),
      }
      const settings = this.#settings().flatMap((text) => ['--set', text])
      const code = await runCli(['eab', 'create', '--directory', 'bound', ...settings], around)
      const text = lines.join('\n')
      const id = /Key id: +(\S+)/.exec(text)?.[1]
      const macKey = /MAC key: +(\S+)/.exec(text)?.[1]
      if (code !== 0 || id === undefined || macKey === undefined) {
        this.#record.violation('starts', `eab create beside the server: ${code} ${text}`)
        return
      }
      this.#eabKeys.push({ id, macKey: Buffer.from(macKey, 'base64url') })
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
    ]
  }

  get #killed(): number {
    return Object.values(this.#kills).reduce((sum, count) => sum + count, 0)
  }

  #count(kind: KillKind): void {
    this.#kills[kind] = (this.#kills[kind] ?? 0) + 1
  }

  #acknowledged(): Record<string, number> {
    const { accounts, orders, certificates, revoked, spentEabKeys, crls, nonceCount, unanswered, busy } = this.#record
    return {
      accounts: accounts.length,
      'accounts deactivated': accounts.filter(({ isDeactivated }) => isDeactivated).length,
      'external account keys spent': spentEabKeys.length,
      orders: orders.length,
      'orders failed as they must': orders.filter(({ status }) => status === 'invalid').length,
      certificates: certificates.size,
      revocations: revoked.length,
      'CRLs seen': crls.size,
      'requests accepted': nonceCount,
      'requests without an answer': unanswered,
      'requests told to come again': busy,
      'stops in good order between the kills': this.#stops,
      'leaf signatures made': this.#signatures.count,
    }
  }

  #progress(begun: number): string {
    const { certificates, revoked, violations } = this.#record
    const seconds = Math.round((performance.now() - begun) / 1000)
    return `${this.#killed} kills in ${seconds} s: ${certificates.size} certificates, ${revoked.length} revocations, ${this.#visits.size} clients on their way, ${violations.length} violations`
  }
}
