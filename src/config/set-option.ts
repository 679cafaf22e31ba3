import { parseDocument } from 'yaml'
import { ConfigError } from './config-error.ts'
import { plainValue } from './yaml.ts'

/** One `--set path.to.key=value`. */
export interface SetOption {
  readonly path: readonly string[]
  readonly value: unknown
}

/** Address and port with IPv6 in brackets: text, although YAML would read the bracket as a list. */
const BRACKETED_ADDRESS = /^\[[0-9a-fA-F:.]+\]:\d{1,5}$/

/** Segments that would reach an object's prototype (KF-F12). */
const FORBIDDEN = new Set(['__proto__', 'constructor', 'prototype'])

/**
 * Reads `path.to.key=value`. The value is YAML, so `false`, `30`, `15m`, `[a, b]` and `"text"` mean what they mean in
 * the file. A map key that holds a dot or `=` is quoted or its dot escaped: `policies."a.b".allow.dns=x`, `a\.b=x`.
 *
 * @throws {ConfigError}
 */
export function parseSetOption(text: string): SetOption {
  const fail = (what: string): never => {
    throw new ConfigError([`--set ${text}: ${what}`])
  }
  const path: string[] = []
  let segment = ''
  let quote: string | undefined
  let quoted = false
  let at = 0
  for (; at < text.length; at++) {
    const c = text[at] as string
    if (quote !== undefined) {
      if (c === quote) quote = undefined
      else segment += c
    } else if ((c === '"' || c === "'") && segment === '') {
      quote = c
      quoted = true
    } else if (c === '\\' && at + 1 < text.length) {
      segment += text[++at]
    } else if (c === '.' || c === '=') {
      if (segment === '' && !quoted) fail('a part of the path is empty')
      path.push(segment)
      segment = ''
      quoted = false
      if (c === '=') break
    } else if (quoted) {
      fail(`text after the closing quote of "${segment}"`)
    } else {
      segment += c
    }
  }
  if (quote !== undefined) fail(`the quote ${quote} is not closed`)
  if (text[at] !== '=') fail('write it as path.to.key=value')
  for (const part of path) if (FORBIDDEN.has(part)) fail(`${part} cannot be a key`)
  return { path, value: parseValue(text.slice(at + 1), fail) }
}

function parseValue(text: string, fail: (what: string) => never): unknown {
  const trimmed = text.trim()
  if (trimmed === '') return fail('there is no value; write "" for an empty text and [] for an empty list')
  if (BRACKETED_ADDRESS.test(trimmed)) return trimmed
  const document = parseDocument(trimmed, { version: '1.2', uniqueKeys: true })
  const problem = document.errors[0] ?? document.warnings[0]
  if (problem !== undefined) return fail(`the value is not YAML: ${problem.message.split('\n')[0]}`)
  const plain = plainValue(document)
  if ('problem' in plain) return fail(plain.problem)
  const { value } = plain
  return value === null ? fail('null is not a value; leave the option out to get the default') : value
}

/**
 * Puts the value at its path, making maps on the way.
 *
 * @throws {ConfigError} when something on the way is not a map
 */
export function applySetOption(root: Record<string, unknown>, option: SetOption): void {
  let at = root
  for (const [index, part] of option.path.entries()) {
    if (index === option.path.length - 1) {
      at[part] = option.value
      return
    }
    const next = Object.hasOwn(at, part) ? at[part] : undefined
    if (next === undefined || next === null) {
      const made: Record<string, unknown> = {}
      at[part] = made
      at = made
    } else if (typeof next === 'object' && !Array.isArray(next)) {
      at = next as Record<string, unknown>
    } else {
      throw new ConfigError([
        `--set ${option.path.join('.')}: ${option.path.slice(0, index + 1).join('.')} is not a map, it has no keys`,
      ])
    }
  }
}
