import { LogError } from './log-error.ts'

/** Reads members of a JSON object from a file, each by its expected type. @throws {LogError} naming the member */
export class Fields {
  readonly value: Readonly<Record<string, unknown>>

  constructor(value: unknown, where = 'the record') {
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw new LogError(`${where} is not an object`)
    this.value = value as Readonly<Record<string, unknown>>
  }

  text(name: string): string {
    const value = this.#get(name)
    if (typeof value !== 'string') throw new LogError(`${name} is not text`)
    return value
  }

  optionalText(name: string): string | undefined {
    return this.#get(name) === undefined ? undefined : this.text(name)
  }

  /** A whole number that is not negative. */
  count(name: string): number {
    const value = this.#get(name)
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0)
      throw new LogError(`${name} is not a number`)
    return value
  }

  optionalCount(name: string): number | undefined {
    return this.#get(name) === undefined ? undefined : this.count(name)
  }

  date(name: string): Date {
    const date = new Date(Date.parse(this.text(name)))
    if (Number.isNaN(date.getTime())) throw new LogError(`${name} is not an instant`)
    return date
  }

  /** An instant as milliseconds since 1970. */
  milliseconds(name: string): Date {
    const date = new Date(this.count(name))
    if (Number.isNaN(date.getTime())) throw new LogError(`${name} is not an instant`)
    return date
  }

  optionalDate(name: string): Date | undefined {
    return this.#get(name) === undefined ? undefined : this.date(name)
  }

  base64(name: string): Buffer {
    const text = this.text(name)
    const bytes = Buffer.from(text, 'base64')
    if (bytes.toString('base64') !== text) throw new LogError(`${name} is not base64`)
    return bytes
  }

  inner(name: string): Fields {
    return new Fields(this.#get(name), name)
  }

  optionalInner(name: string): Fields | undefined {
    return this.#get(name) === undefined ? undefined : this.inner(name)
  }

  list(name: string): Fields[] {
    return this.#array(name).map((one) => new Fields(one, name))
  }

  texts(name: string): string[] {
    return this.#array(name).map((one) => {
      if (typeof one !== 'string') throw new LogError(`${name} is not a list of texts`)
      return one
    })
  }

  optionalTexts(name: string): string[] | undefined {
    return this.#get(name) === undefined ? undefined : this.texts(name)
  }

  #array(name: string): unknown[] {
    const value = this.#get(name)
    if (!Array.isArray(value)) throw new LogError(`${name} is not a list`)
    return value
  }

  #get(name: string): unknown {
    return Object.hasOwn(this.value, name) ? this.value[name] : undefined
  }
}
