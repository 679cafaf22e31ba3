import { inspect } from 'node:util'

/**
 * Holds a value that must not be written anywhere by accident: text, JSON, logs and the inspector all show `[secret]`
 * (KF-F20). Only `reveal()` gives it back.
 */
export class Secret<T = string> {
  readonly #value: T
  constructor(value: T) {
    this.#value = value
  }

  reveal(): T {
    return this.#value
  }

  toString(): string {
    return SHOWN
  }

  toJSON(): string {
    return SHOWN
  }

  [inspect.custom](): string {
    return SHOWN
  }
}

export const SHOWN = '[secret]'
