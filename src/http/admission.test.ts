import assert from 'node:assert/strict'
import { beforeEach, describe, test } from 'node:test'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { RecordingLogger, RecordingMetrics } from '../../test/support/recorders.ts'
import { Admission, type AdmissionOptions, Busy, type WorkKind } from './admission.ts'
import { ClientGone } from './refusal.ts'

const MAX_UNDER_WAY = 64

let clock: FakeClock
let log: RecordingLogger
let metrics: RecordingMetrics
/** What will be called in the next turn of the loop. */
let turns: (() => void)[]
let cpuMs: number

beforeEach(() => {
  clock = new FakeClock()
  log = new RecordingLogger()
  metrics = new RecordingMetrics()
  turns = []
  cpuMs = 0
})

function open(options: Partial<AdmissionOptions> = {}): Admission {
  return new Admission({
    newWorkDelayMs: 400,
    maxUnderWay: MAX_UNDER_WAY,
    maxWaiting: 1000,
    clock,
    metrics,
    log,
    cpuMs: () => cpuMs,
    nextTurn: (turn) => void turns.push(turn),
    ...options,
  })
}

/** One turn of the loop, of so much CPU and time. */
async function turn(ms = 10): Promise<void> {
  cpuMs += ms
  await clock.advance(ms)
  for (const next of turns.splice(0)) next()
  await new Promise((resolve) => setImmediate(resolve))
}

type State = 'waiting' | 'started' | 'refused' | 'gone'

class Piece {
  readonly kind: WorkKind
  state: State = 'waiting'
  retryAfterSeconds = 0
  leave: () => void = () => undefined
  isGone = false

  constructor(admission: Admission, kind: WorkKind, bytes = 1000) {
    this.kind = kind
    void this.#enter(admission, bytes)
  }

  async #enter(admission: Admission, bytes: number): Promise<void> {
    try {
      const entered = admission.enter(this.kind, { bytes, isGone: () => this.isGone })
      this.leave = entered instanceof Promise ? await entered : entered
      this.state = 'started'
    } catch (error) {
      if (!(error instanceof Busy) && !(error instanceof ClientGone)) throw error
      this.state = error instanceof Busy ? 'refused' : 'gone'
      if (error instanceof Busy) this.retryAfterSeconds = error.retryAfterSeconds
    }
  }
}

const inState = (pieces: readonly Piece[], state: State): Piece[] => pieces.filter((piece) => piece.state === state)

describe('a server within its capacity', () => {
  test('begins what comes at once, and in the order of arrival when a burst comes', async () => {
    const admission = open({ maxUnderWay: 256 })
    const pieces = Array.from({ length: 100 }, (_, i) => new Piece(admission, i % 3 === 0 ? 'begin' : 'finish'))
    const atOnce = inState(pieces, 'started').length
    assert.ok(atOnce > 0 && atOnce < 100, `${atOnce} began in the first turn`)
    for (let i = 0; i < 20 && inState(pieces, 'waiting').length > 0; i++) {
      const started = inState(pieces, 'started').length
      assert.ok(
        pieces.slice(0, started).every(({ state }) => state === 'started'),
        'somebody was overtaken',
      )
      for (const piece of inState(pieces, 'started')) piece.leave()
      await turn(5)
    }
    assert.equal(inState(pieces, 'started').length, 100)
    assert.equal(admission.isOverloaded, false)
  })

  test('prefers what was begun, eight to one, once new work has waited for half of its time, and refuses nothing yet', async () => {
    const admission = open()
    const running: Piece[] = []
    while (running.length < MAX_UNDER_WAY) {
      running.push(new Piece(admission, 'finish'))
      if (running.at(-1)?.state === 'waiting') await turn(1)
    }
    const early = new Piece(admission, 'begin')
    await turn(150)
    const middle = new Piece(admission, 'finish')
    running[0]?.leave()
    await turn(10)
    assert.deepEqual([early.state, middle.state], ['started', 'waiting'], 'first come, first served')
    running[1]?.leave()
    const late = new Piece(admission, 'begin')
    await turn(10)
    await turn(210)
    const last = new Piece(admission, 'finish')
    running[2]?.leave()
    await turn(10)
    assert.deepEqual([middle.state, late.state, last.state], ['started', 'waiting', 'started'])
    const more = Array.from({ length: 12 }, () => new Piece(admission, 'finish'))
    for (const piece of running.slice(3, 11)) piece.leave()
    await turn(10)
    assert.deepEqual([late.state, inState(more, 'started').length], ['started', 7])
    assert.equal(admission.isOverloaded, false)
  })

  test('KF-F15 begins less in a turn when turns become long, and more again when they are short', async () => {
    const admission = open({ maxUnderWay: 1000 })
    const startedPerTurn = async (ms: number): Promise<number> => {
      const pieces = Array.from({ length: 400 }, () => new Piece(admission, 'finish'))
      for (let i = 0; i < 8; i++) {
        for (const piece of pieces) piece.leave()
        await turn(ms)
      }
      const before = inState(pieces, 'started').length
      for (const piece of pieces) piece.leave()
      await turn(ms)
      const inThisTurn = inState(pieces, 'started').length - before
      while (inState(pieces, 'waiting').length > 0) {
        for (const piece of pieces) piece.leave()
        await turn(ms)
      }
      return inThisTurn
    }
    const usual = await startedPerTurn(5)
    const long = await startedPerTurn(30)
    const short = await startedPerTurn(2)
    assert.ok(long < usual && short > long, `${usual}, ${long}, ${short}`)
    assert.ok(long >= 1)
  })
})

describe('KF-F23 a server past its capacity', () => {
  /** So slow that nothing begins by itself: what is under way never ends. */
  async function overfull(options: Partial<AdmissionOptions> = {}) {
    const admission = open(options)
    const running: Piece[] = []
    while (running.length < MAX_UNDER_WAY) {
      running.push(new Piece(admission, 'finish'))
      if (running.at(-1)?.state === 'waiting') await turn(1)
    }
    await turn(1)
    assert.equal(inState(running, 'started').length, MAX_UNDER_WAY)
    return { admission, running }
  }

  test('refuses new work that waited too long, with a time to return, and lets what was begun go first', async () => {
    const { admission, running } = await overfull()
    const begins = Array.from({ length: 5 }, () => new Piece(admission, 'begin'))
    const finishes = Array.from({ length: 5 }, () => new Piece(admission, 'finish'))
    await turn()
    await clock.advance(600)
    assert.deepEqual([inState(begins, 'refused').length, inState(finishes, 'waiting').length], [5, 5])
    assert.ok(begins.every(({ retryAfterSeconds }) => retryAfterSeconds >= 1))
    assert.equal(admission.isOverloaded, true)
    assert.equal(log.of('overload.began').length, 1)

    const late = new Piece(admission, 'begin')
    const later = new Piece(admission, 'finish')
    for (const piece of running.slice(0, 6)) piece.leave()
    await turn()
    assert.deepEqual([later.state, late.state, inState(finishes, 'started').length], ['started', 'waiting', 5])
  })

  test('refuses what was begun too in the end, rather than let it wait for ever', async () => {
    const { admission } = await overfull()
    const piece = new Piece(admission, 'finish')
    await turn()
    await clock.advance(3_900)
    assert.equal(piece.state, 'waiting')
    await clock.advance(300)
    assert.equal(piece.state, 'refused')
    assert.ok(piece.retryAfterSeconds <= 2)
  })

  test('keeps the line of new work as short as what it can take, and refuses the others at once', async () => {
    const { admission } = await overfull()
    new Piece(admission, 'begin')
    await turn()
    await clock.advance(600)
    assert.equal(admission.isOverloaded, true)
    const crowd = Array.from({ length: 500 }, () => new Piece(admission, 'begin'))
    const waiting = inState(crowd, 'waiting').length
    assert.ok(waiting > 0 && waiting < 60, `${waiting} wait`)
    const returns = inState(crowd, 'refused').map(({ retryAfterSeconds }) => retryAfterSeconds)
    assert.ok(Math.max(...returns) > 2 * Math.min(...returns), 'the crowd is spread')
    assert.deepEqual(
      returns,
      [...returns].sort((a, b) => a - b),
    )
  })

  test('bounds the line in length and in bytes; new work makes room for what was begun', async () => {
    const { admission } = await overfull({ maxWaiting: 10 })
    const begins = Array.from({ length: 12 }, () => new Piece(admission, 'begin'))
    assert.equal(inState(begins, 'waiting').length, 10)
    const finish = new Piece(admission, 'finish')
    assert.equal(finish.state, 'waiting')
    await turn()
    assert.equal(begins[9]?.state, 'refused')
    const finishes = Array.from({ length: 12 }, () => new Piece(admission, 'finish'))
    await turn()
    assert.equal(inState([...finishes, finish], 'waiting').length, 10)
    const { admission: other } = await overfull({ maxWaiting: 100_000 })
    const big = Array.from({ length: 1000 }, () => new Piece(other, 'finish', 50_000))
    assert.ok(inState(big, 'waiting').length * 50_000 <= 32 << 20)
    assert.ok(inState(big, 'refused').length > 0)
  })

  test('does no work for those who went away while they waited', async () => {
    const { admission, running } = await overfull()
    const piece = new Piece(admission, 'finish')
    piece.isGone = true
    running[0]?.leave()
    await turn()
    assert.equal(piece.state, 'gone')
    assert.equal(admission.waiting, 0)
  })

  test('refuses new work, and nothing else, while a queue behind it is full', async () => {
    let fullness = 1
    const admission = open({ pressures: () => [{ queue: 'store', fullness }] })
    assert.deepEqual(
      [new Piece(admission, 'begin').state, new Piece(admission, 'finish').state],
      ['refused', 'started'],
    )
    assert.equal(metrics.counts.get('chancery_backlogs_total store'), 1)
    fullness = 0.9
    assert.equal(new Piece(admission, 'begin').state, 'started')
  })

  test('tells how far it is from keeping up: by the fullest queue behind it, and wholly while it refuses', async () => {
    let fullness = 0.5
    const calm = open({
      pressures: () => [
        { queue: 'store', fullness: 0 },
        { queue: 'issuance', fullness },
      ],
    })
    assert.equal(calm.shortage, 0)
    fullness = 0.75
    assert.equal(calm.shortage, 0.5)
    fullness = 3
    assert.equal(calm.shortage, 1)
    const { admission } = await overfull()
    new Piece(admission, 'begin')
    await turn()
    await clock.advance(600)
    assert.equal(admission.shortage, 1)
  })

  test('is normal again half a second after the last refusal, also when nobody comes any more', async () => {
    const { admission, running } = await overfull()
    new Piece(admission, 'begin')
    await turn()
    await clock.advance(600)
    for (const piece of running) piece.leave()
    await turn()
    assert.equal(admission.isOverloaded, true)
    await clock.advance(1_000)
    assert.equal(admission.isOverloaded, false)
    assert.deepEqual(log.of('overload.ended')[0]?.['refused'], 1)
    assert.equal(new Piece(admission, 'begin').state, 'started')
  })
})
