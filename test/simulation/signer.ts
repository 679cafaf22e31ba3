import { SignerError, type SigningKey } from '../../src/signer/signer.ts'
import type { Chance } from './chance.ts'
import { never, type Process } from './machine.ts'
import type { World } from './world.ts'

export type SignerMood = 'well' | 'slow' | 'away' | 'hanging'

/** Where a process may be killed around the use of the key. */
export type SignerFate = 'kept' | 'killed-before' | 'killed-after'

/** A real P-256 key behind a way that may be slow, refuse, or swallow the question. It outlives the processes. */
export class SimSigner {
  mood: SignerMood = 'well'
  fateOfSignature: () => SignerFate = () => 'kept'
  /** Told of everything that is about to be signed, before it is. */
  onSign: (message: Uint8Array, process: Process) => void = () => undefined
  signatures = 0
  readonly #key: SigningKey
  readonly #world: World
  readonly #chance: Chance

  constructor(key: SigningKey, world: World) {
    this.#key = key
    this.#world = world
    this.#chance = world.chance.fork('signer')
  }

  /** The key as one process has it. */
  usedBy(process: Process): SigningKey {
    return {
      spkiDer: this.#key.spkiDer,
      algorithm: this.#key.algorithm,
      sign: (message) => this.#sign(message, process),
    }
  }

  async #sign(message: Uint8Array, process: Process): Promise<Buffer> {
    if (!process.isAlive) return never()
    switch (this.mood) {
      case 'well':
        break
      case 'slow':
        await this.#world.sleep(this.#chance.between(100, 20_000))
        break
      case 'away':
        await this.#world.sleep(this.#chance.between(0, 2_000))
        throw new SignerError('UNAVAILABLE', 'the simulated signer is away')
      case 'hanging':
        return never()
      default:
        return this.mood satisfies never
    }
    if (!process.isAlive) return never()
    const fate = this.fateOfSignature()
    if (fate === 'killed-before') process.kill()
    if (!process.isAlive) return never()
    this.onSign(message, process)
    this.signatures++
    const signature = await this.#key.sign(message)
    if (fate === 'killed-after') process.kill()
    return process.isAlive ? signature : never()
  }
}
