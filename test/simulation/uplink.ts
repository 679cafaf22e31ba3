import type { Chance } from './chance.ts'
import type { SimReply, SimRequest } from './exchange.ts'
import type { SimServer } from './server.ts'
import type { World } from './world.ts'

/** No answer came. What the server did is not known. */
export class NoAnswer extends Error {
  override readonly name = 'NoAnswer'
}

/** Told of every answer that the server gave, also of those that reached nobody. */
export type OnAnswer = (request: SimRequest, reply: SimReply) => void

/** The way from the clients to the server: slow, lossy, and at times cut. Connections are to whoever is the server now. */
export class Uplink {
  readonly #world: World
  readonly #chance: Chance
  readonly #server: () => SimServer | undefined
  readonly #onAnswer: OnAnswer
  /** Shares of requests that never arrive, of answers that are lost, and of requests that arrive twice. */
  rates = { lost: 0.002, answerLost: 0.004, twice: 0.004 }
  cutOffUntilMs = 0

  constructor(world: World, server: () => SimServer | undefined, onAnswer: OnAnswer) {
    this.#world = world
    this.#chance = world.chance.fork('uplink')
    this.#server = server
    this.#onAnswer = onAnswer
  }

  /** @throws {NoAnswer} */
  async request(request: SimRequest): Promise<SimReply> {
    const chance = this.#chance
    const patienceMs = chance.between(20_000, 60_000)
    const isCut = (): boolean => this.#world.nowMs < this.cutOffUntilMs
    const [isLost, isAnswerLost, isTwice] = [
      chance.happens(this.rates.lost),
      chance.happens(this.rates.answerLost),
      chance.happens(this.rates.twice),
    ]
    const [there, back, again] = [chance.between(1, 60), chance.between(1, 60), chance.between(0, 400)]
    await this.#world.sleep(there)
    if (isLost || isCut()) return this.#silence(patienceMs)
    if (isTwice) this.#world.after(again, () => void this.#deliver(request, patienceMs).catch(() => undefined))
    const reply = await this.#deliver(request, patienceMs)
    await this.#world.sleep(back)
    if (isAnswerLost || isCut()) return this.#silence(patienceMs)
    return reply
  }

  async #silence(patienceMs: number): Promise<never> {
    await this.#world.sleep(patienceMs)
    throw new NoAnswer('nothing came back in time')
  }

  #deliver(request: SimRequest, patienceMs: number): Promise<SimReply> {
    const server = this.#server()
    if (server === undefined) return Promise.reject(new NoAnswer('the connection was refused'))
    return new Promise((resolve, reject) => {
      const forget = server.process.onDeath(() => end(() => reject(new NoAnswer('the connection was reset'))))
      const timer = this.#world.after(patienceMs, () => end(() => reject(new NoAnswer('no answer in time'))))
      const end = (settle: () => void): void => {
        timer.cancel()
        forget()
        settle()
      }
      server.handle(request).then(
        (reply) => {
          if (!server.process.isAlive) return
          this.#onAnswer(request, reply)
          end(() => resolve(reply))
        },
        (error: unknown) => {
          if (server.process.isAlive) this.#world.fail(error)
        },
      )
    })
  }
}
