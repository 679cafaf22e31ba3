import type { JsonObject, JsonValue } from '../endpoint.ts'

const MAX_DEPTH = 8

export class StrictJsonError extends Error {}

/**
 * Parses JSON (RFC 8259) with one meaning for one text: no duplicate members, depth at most 8, no lone surrogates, no
 * numbers beyond a double, no byte order mark, nothing after the value (KF-B04). Objects have no prototype, so that
 * `__proto__` and `constructor` are members like any other (KF-F12). Depth is checked on the way in, so recursion is
 * bounded.
 *
 * @throws {StrictJsonError} with a sentence for the requester
 */
export function parseStrictJson(text: string): JsonValue {
  const reader = new Reader(text)
  const value = reader.value(1)
  reader.end()
  return value
}

const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what a string may not hold
const CONTROL = /[\u0000-\u001f]/
const QUOTE = 0x22
const BACKSLASH = 0x5c

class Reader {
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  value(depth: number): JsonValue {
    this.#skipSpace()
    switch (this.#text[this.#at]) {
      case '{':
        return this.#object(depth)
      case '[':
        return this.#array(depth)
      case '"':
        return this.#string()
      case 't':
        return this.#word('true', true)
      case 'f':
        return this.#word('false', false)
      case 'n':
        return this.#word('null', null)
      default:
        return this.#number()
    }
  }

  end(): void {
    this.#skipSpace()
    if (this.#at !== this.#text.length) throw this.#fault('there is something after the JSON value')
  }

  #object(depth: number): JsonObject {
    this.#checkDepth(depth)
    const members: Record<string, JsonValue> = Object.create(null)
    this.#at++
    if (this.#takes('}')) return members
    do {
      this.#skipSpace()
      if (this.#text[this.#at] !== '"') throw this.#fault('a member name is missing')
      const name = this.#string()
      if (name in members) throw this.#fault('a member stands twice in one object')
      if (!this.#takes(':')) throw this.#fault('a colon is missing')
      members[name] = this.value(depth + 1)
    } while (this.#takes(','))
    if (!this.#takes('}')) throw this.#fault('an object does not end')
    return members
  }

  #array(depth: number): JsonValue[] {
    this.#checkDepth(depth)
    const items: JsonValue[] = []
    this.#at++
    if (this.#takes(']')) return items
    do items.push(this.value(depth + 1))
    while (this.#takes(','))
    if (!this.#takes(']')) throw this.#fault('an array does not end')
    return items
  }

  #string(): string {
    const start = this.#at
    const end = this.#text.indexOf('"', start + 1)
    if (end === -1) throw this.#fault('a string does not end')
    const raw = this.#text.slice(start + 1, end)
    if (raw.includes('\\')) return this.#escapedString(start)
    this.#at = end + 1
    if (CONTROL.test(raw)) throw this.#fault('a string holds a control character')
    return raw
  }

  /** A string with escapes, whose first quote may be one of its characters. */
  #escapedString(start: number): string {
    let at = start + 1
    for (; ; at++) {
      const code = this.#text.charCodeAt(at)
      if (code === QUOTE) break
      if (code === BACKSLASH) at++
      if (Number.isNaN(code)) throw this.#fault('a string does not end')
    }
    this.#at = at + 1
    if (CONTROL.test(this.#text.slice(start + 1, at))) throw this.#fault('a string holds a control character')
    const text = this.#unescaped(start)
    if (!text.isWellFormed()) throw this.#fault('a string holds half of a surrogate pair')
    return text
  }

  #unescaped(start: number): string {
    try {
      return JSON.parse(this.#text.slice(start, this.#at)) as string
    } catch {
      throw this.#fault('a string holds an unknown escape')
    }
  }

  #number(): number {
    NUMBER.lastIndex = this.#at
    const match = NUMBER.exec(this.#text)
    if (match === null) throw this.#fault('a value is missing')
    this.#at = NUMBER.lastIndex
    const value = Number(match[0])
    if (!Number.isFinite(value)) throw this.#fault('a number is too large')
    return value
  }

  #word<T>(word: string, value: T): T {
    if (!this.#text.startsWith(word, this.#at)) throw this.#fault('a value is missing')
    this.#at += word.length
    return value
  }

  #takes(character: string): boolean {
    this.#skipSpace()
    if (this.#text[this.#at] !== character) return false
    this.#at++
    return true
  }

  #skipSpace(): void {
    for (;;) {
      const code = this.#text.charCodeAt(this.#at)
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return
      this.#at++
    }
  }

  #checkDepth(depth: number): void {
    if (depth > MAX_DEPTH) throw this.#fault(`objects and arrays are nested deeper than ${MAX_DEPTH}`)
  }

  #fault(what: string): StrictJsonError {
    return new StrictJsonError(`${what} (at character ${this.#at})`)
  }
}
