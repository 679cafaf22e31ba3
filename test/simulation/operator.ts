import type { Chance } from './chance.ts'
import type { CommitFate, SimDisk } from './disk.ts'
import type { Internet } from './internet.ts'
import type { Machine, Process } from './machine.ts'
import { type ServerParts, type SimServer, startServer } from './server.ts'
import type { SignerFate, SimSigner } from './signer.ts'
import type { Uplink } from './uplink.ts'
import type { Witness } from './witness.ts'
import { Violation, type World } from './world.ts'

const SECOND_MS = 1_000
const MINUTE_MS = 60_000
const HOUR_MS = 3_600_000

export interface OperatorParts {
  readonly world: World
  readonly machine: Machine
  readonly disk: SimDisk
  readonly signer: SimSigner
  readonly internet: Internet
  readonly uplink: Uplink
  readonly witness: Witness
  readonly server: ServerParts
  /** Kills a day, on average. */
  readonly crashRate: number
  /** Other faults a day, on average. */
  readonly faultRate: number
  /** The longest that anything may be away. */
  readonly longestOutageMs: number
}

/** Runs the server, and everything that happens to it: upgrades, kills, and faults of disk, signer, network and clock. */
export class Operator {
  server: SimServer | undefined
  readonly counts = { starts: 0, kills: 0, upgrades: 0, faults: 0 }
  readonly #parts: OperatorParts
  readonly #chance: Chance
  #process: Process | undefined
  #faults = 0
  #isOver = false
  #isStarting = false
  #armed: { readonly kind: 'commit' | 'signature'; readonly isBefore: boolean; left: number } | undefined
  #diskMood: 'well' | 'slow' | 'full' | 'landed-but-failed' = 'well'
  #busyUntilMs = 0

  constructor(parts: OperatorParts) {
    this.#parts = parts
    this.#chance = parts.world.chance.fork('operator')
    parts.disk.fateOfCommit = (process) => this.#fateOfCommit(process)
    parts.disk.isBusy = () => parts.world.nowMs < this.#busyUntilMs
    parts.signer.fateOfSignature = () => this.#fateOfSignature()
  }

  async begin(): Promise<void> {
    const { world } = this.#parts
    await this.#start()
    world.spawn(this.#watch())
    world.spawn(this.#upgrade())
    if (this.#parts.crashRate > 0) world.spawn(this.#crash())
    if (this.#parts.faultRate > 0) world.spawn(this.#trouble())
    if (this.#parts.server.plant.forgetfulDisk) world.spawn(this.#keepCopies())
  }

  /** No more faults; what is under way ends by itself within the longest outage. */
  retire(): void {
    this.#isOver = true
    this.#armed = undefined
  }

  /** @returns the timers that the stopped process still waits for */
  async stop(): Promise<number> {
    const { server } = this
    if (server === undefined) throw new Violation('availability', 'the server was not running at the end')
    this.server = undefined
    this.#disturbed()
    await server.stop()
    await this.#parts.world.sleep(SECOND_MS)
    return server.process.sleeping
  }

  #disturbed(): void {
    this.#parts.witness.calmSinceMs = undefined
  }

  #settled(): void {
    const { witness, world } = this.#parts
    if (this.server !== undefined && this.#faults === 0) witness.calmSinceMs = world.nowMs
  }

  async #start(): Promise<void> {
    const { world, machine, witness } = this.#parts
    if (this.#isStarting || this.server !== undefined) return
    this.#isStarting = true
    for (;;) {
      const process = machine.startProcess()
      this.#process = process
      const died = new Promise<undefined>((resolve) => void process.onDeath(() => resolve(undefined)))
      try {
        const server = await Promise.race([startServer(process, this.#parts.server), died])
        if (server !== undefined && process.isAlive) {
          this.server = server
          break
        }
        world.trace('died-at-start', process.number)
      } catch (error) {
        if (process.isAlive)
          world.check('starts', this.#faults > 0, () => `the server does not start: ${String(error)}`)
        world.trace('no-start', process.number)
        process.kill()
      }
      await world.sleep(MINUTE_MS)
    }
    this.#isStarting = false
    this.counts.starts++
    world.trace('start', this.#process?.number ?? 0)
    this.server?.process.onDeath(() => this.#died())
    witness.checkDurable()
    this.#settled()
  }

  #died(): void {
    const { world } = this.#parts
    this.counts.kills++
    world.trace('killed', this.#process?.number ?? 0)
    this.server = undefined
    this.#armed = undefined
    this.#disturbed()
    const downMs = this.#chance.happens(0.1)
      ? this.#chance.between(MINUTE_MS, this.#parts.longestOutageMs)
      : this.#chance.between(SECOND_MS, 5 * MINUTE_MS)
    world.spawn(
      world.sleep(downMs).then(() => {
        if (this.#parts.server.plant.forgetfulDisk) this.#parts.disk.fallBack()
        return this.#start()
      }),
    )
  }

  /** Looks at `/readyz` and restarts what does not come to itself. */
  async #watch(): Promise<void> {
    const { world } = this.#parts
    for (let bad = 0; ; ) {
      await world.sleep(5 * MINUTE_MS)
      const { server } = this
      if (server === undefined) continue
      const isReady = await Promise.race([server.isReady(), world.sleep(MINUTE_MS).then(() => false)])
      bad = isReady ? 0 : bad + 1
      if (bad >= 2 && server === this.server) {
        bad = 0
        await this.#restart('not ready')
      }
    }
  }

  async #restart(why: string): Promise<void> {
    const { world } = this.#parts
    const { server } = this
    if (server === undefined) return
    world.trace('restart', why)
    this.#disturbed()
    this.server = undefined
    const isPatient = this.#chance.happens(0.8)
    await Promise.race([server.stop(), world.sleep(isPatient ? MINUTE_MS : 0)])
    // Not `#died`: this one is brought back by hand.
    server.process.kill()
    await world.sleep(this.#chance.between(SECOND_MS, 2 * MINUTE_MS))
    await this.#start()
  }

  async #upgrade(): Promise<void> {
    const { world } = this.#parts
    while (!this.#isOver) {
      await world.sleep(this.#chance.between(3, 9) * 24 * HOUR_MS)
      if (this.#isOver) return
      this.counts.upgrades++
      await this.#restart('upgrade')
    }
  }

  async #crash(): Promise<void> {
    const { world } = this.#parts
    while (!this.#isOver) {
      await world.sleep(this.#chance.untilNext(this.#parts.crashRate))
      if (this.#isOver) return
      const process = this.#process
      if (process === undefined || this.server === undefined) continue
      const kind = this.#chance.pick(['commit', 'commit', 'signature', 'any'] as const)
      this.#armed =
        kind === 'any'
          ? undefined
          : { kind, isBefore: this.#chance.happens(0.5), left: this.#chance.between(0, kind === 'commit' ? 25 : 3) }
      // Where nothing of that kind comes by, any moment does.
      await world.sleep(kind === 'any' ? 0 : 2 * HOUR_MS)
      if (this.server?.process === process) process.kill()
    }
  }

  #fateOfCommit(process: Process): CommitFate {
    const { world } = this.#parts
    switch (this.#diskMood) {
      case 'well':
        break
      case 'slow':
        world.block(this.#chance.between(1, 2_000))
        break
      case 'full':
        return 'full'
      case 'landed-but-failed':
        this.#diskMood = 'well'
        return 'landed-but-failed'
      default:
        return this.#diskMood satisfies never
    }
    const armed = this.#armed
    if (armed?.kind !== 'commit' || process !== this.server?.process || armed.left-- > 0) return 'kept'
    world.trace('killed-at-commit', armed.isBefore ? 'before' : 'after')
    return armed.isBefore ? 'killed-before' : 'killed-after'
  }

  #fateOfSignature(): SignerFate {
    const armed = this.#armed
    if (armed?.kind !== 'signature' || armed.left-- > 0) return 'kept'
    this.#parts.world.trace('killed-at-signature', armed.isBefore ? 'before' : 'after')
    return armed.isBefore ? 'killed-before' : 'killed-after'
  }

  /** One fault after the other, each with an end. */
  async #trouble(): Promise<void> {
    const { world } = this.#parts
    const faults = Object.entries(this.#kinds())
    while (!this.#isOver) {
      await world.sleep(this.#chance.untilNext(this.#parts.faultRate))
      if (this.#isOver) return
      const [name, fault] = this.#chance.pick(faults)
      world.trace('fault', name)
      this.counts.faults++
      this.#faults++
      this.#disturbed()
      await fault()
      this.#faults--
      world.trace('fault-ends', name)
      this.#settled()
    }
  }

  #kinds(): Record<string, () => Promise<void>> {
    const { world, signer, internet, uplink } = this.#parts
    const chance = this.#chance
    const someTime = (): number => chance.between(10 * SECOND_MS, this.#parts.longestOutageMs / 2)
    const signerIs = (mood: 'slow' | 'away' | 'hanging') => async (): Promise<void> => {
      signer.mood = mood
      await world.sleep(someTime())
      signer.mood = 'well'
    }
    return {
      'signer-slow': signerIs('slow'),
      'signer-away': signerIs('away'),
      'signer-hangs': signerIs('hanging'),
      'disk-full': async () => {
        this.#diskMood = 'full'
        await world.sleep(someTime())
        this.#diskMood = 'well'
        await this.#restart('disk was full')
      },
      'disk-landed-but-failed': async () => {
        this.#diskMood = 'landed-but-failed'
        await world.sleep(someTime())
        this.#diskMood = 'well'
        await this.#restart('disk failed')
      },
      'disk-slow': async () => {
        this.#diskMood = 'slow'
        await world.sleep(someTime())
        this.#diskMood = 'well'
      },
      'disk-busy': async () => {
        this.#busyUntilMs = world.nowMs + chance.between(20, 8_000)
        await world.sleep(10 * SECOND_MS)
      },
      'validation-cut-off': async () => {
        internet.cutOffUntilMs = world.nowMs + someTime()
        await world.sleep(internet.cutOffUntilMs - world.nowMs)
      },
      'validation-lossy': async () => {
        internet.lossRate = 0.3
        await world.sleep(someTime())
        internet.lossRate = 0
      },
      'clients-cut-off': async () => {
        uplink.cutOffUntilMs = world.nowMs + someTime()
        await world.sleep(uplink.cutOffUntilMs - world.nowMs)
      },
      'clients-lossy': async () => {
        const { rates } = uplink
        uplink.rates = { lost: 0.1, answerLost: 0.1, twice: 0.1 }
        await world.sleep(someTime())
        uplink.rates = rates
      },
      'clock-step': () => this.#clockIsOff(chance.between(-50, 50) * SECOND_MS, someTime()),
      'clock-back': () =>
        this.#clockIsOff(-chance.between(2 * MINUTE_MS, 48 * HOUR_MS), chance.between(5, 30) * MINUTE_MS),
      'clock-ahead': () =>
        this.#clockIsOff(chance.between(HOUR_MS, 400 * 24 * HOUR_MS), chance.between(5, 30) * MINUTE_MS),
    }
  }

  /** The wall clock is wrong for a while; then it is set right, and the server restarted as its message asks for. */
  async #clockIsOff(byMs: number, forMs: number): Promise<void> {
    const { world, machine, witness } = this.#parts
    const isWrong = Math.abs(byMs) > MINUTE_MS
    world.trace('clock', byMs)
    machine.wallOffsetMs = byMs
    if (isWrong) witness.clockWentWrong()
    await world.sleep(forMs)
    machine.wallOffsetMs = 0
    world.trace('clock', 0)
    if (!isWrong) return
    await this.#restart('clock was wrong')
    witness.clockIsRight()
  }

  async #keepCopies(): Promise<void> {
    const { world, disk } = this.#parts
    while (!this.#isOver) {
      if (this.server !== undefined) disk.keepCopy()
      await world.sleep(this.#chance.between(SECOND_MS, 10 * MINUTE_MS))
    }
  }
}
