import { decodeALabel } from './u-label.ts'

/** The scripts recommended for use in identifiers (Unicode UAX #31, table 5). */
const SCRIPTS = [
  'Latin',
  'Greek',
  'Cyrillic',
  'Armenian',
  'Hebrew',
  'Arabic',
  'Thaana',
  'Devanagari',
  'Bengali',
  'Gurmukhi',
  'Gujarati',
  'Oriya',
  'Tamil',
  'Telugu',
  'Kannada',
  'Malayalam',
  'Sinhala',
  'Thai',
  'Lao',
  'Tibetan',
  'Myanmar',
  'Georgian',
  'Hangul',
  'Ethiopic',
  'Khmer',
  'Hiragana',
  'Katakana',
  'Bopomofo',
  'Han',
] as const

type Script = (typeof SCRIPTS)[number]

const MATCHERS: readonly (readonly [Script, RegExp])[] = SCRIPTS.map((script) => [
  script,
  new RegExp(`^\\p{Script_Extensions=${script}}$`, 'u'),
])

/** Scripts that one writing system uses together (UTS #39 §5.1): Japanese, Korean, Chinese with Bopomofo. */
const TOGETHER: readonly ReadonlySet<Script>[] = [
  new Set<Script>(['Han', 'Hiragana', 'Katakana']),
  new Set<Script>(['Han', 'Hangul']),
  new Set<Script>(['Han', 'Bopomofo']),
]

/**
 * Whether a label mixes scripts, as a look-alike of another name would (KF-A26, UTS #39 §5.1). For operators to see,
 * not a reason to refuse by itself. Digits and hyphens belong to every script. A label with characters outside of
 * the recommended scripts counts as mixed, and so does an `xn--` label that does not decode. A label written wholly
 * in one foreign script is not mixed, even if it looks like ASCII: show both forms beside each other.
 *
 * @param label one label, in A-form or plain
 */
export function isMixedScript(label: string): boolean {
  const text = label.startsWith('xn--') ? decodeALabel(label) : label
  if (text === undefined) return true
  let possible: readonly ReadonlySet<Script>[] = [...SCRIPTS.map((script) => new Set([script])), ...TOGETHER]
  for (const point of text) {
    if (/^[\p{Script=Common}\p{Script=Inherited}]$/u.test(point) && !hasOwnScripts(point)) continue
    const scripts = MATCHERS.filter(([, matcher]) => matcher.test(point)).map(([script]) => script)
    possible = possible.filter((set) => scripts.some((script) => set.has(script)))
    if (possible.length === 0) return true
  }
  return false
}

/** Common characters such as U+30FC are still tied to some scripts by Script_Extensions. */
function hasOwnScripts(point: string): boolean {
  return !/^[\p{Script_Extensions=Common}\p{Script_Extensions=Inherited}]$/u.test(point)
}
