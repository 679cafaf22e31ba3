import { normalizeDnsName } from '../lib/dns-name.ts'
import { quote } from '../lib/quote.ts'

/** A rule for DNS names by whole labels. Both questions are answered for any string, in time linear in its length. */
export interface NamePattern {
  readonly text: string
  /** Whether the pattern holds the name; for `*.x`, whether it holds every name one label below x. */
  holds(name: string): boolean
  /** Whether the pattern holds the name; for `*.x`, whether it holds any name one label below x. */
  touches(name: string): boolean
}

/**
 * Reads a pattern: `*` is exactly one label, `**` one or more, every other label is itself. `**.a.test` holds
 * `b.a.test` and `c.b.a.test`, but not `a.test`. At most one `**`; never a part of a label (KF-C11, KF-F11).
 *
 * @throws {Error} naming the fault
 */
export function compileNamePattern(text: string): NamePattern {
  const wanted = text.toLowerCase().split('.')
  const isGap = (label: string): boolean => label === '*' || label === '**'
  if (wanted.some((label) => label.includes('*') && !isGap(label))) {
    throw faultOf(text, '`*` and `**` must be whole labels')
  }
  const standIn = text
    .split('.')
    .map((label) => (isGap(label) ? 'x' : label))
    .join('.')
  const normal = normalizeDnsName(standIn)
  if (!normal.ok) throw faultOf(text, normal.reason)
  const gap = wanted.indexOf('**')
  if (gap !== wanted.lastIndexOf('**')) throw faultOf(text, '`**` may stand only once')
  const shape = gap < 0 ? { head: wanted } : { head: wanted.slice(0, gap), tail: wanted.slice(gap + 1) }
  return {
    text,
    holds: (name) => matches(shape, name.split('.'), false),
    touches: (name) => matches(shape, name.split('.'), true),
  }
}

/** `tail` is absent when the pattern has no `**`. */
interface Shape {
  readonly head: readonly string[]
  readonly tail?: readonly string[]
}

function matches({ head, tail }: Shape, name: readonly string[], touching: boolean): boolean {
  const accepts = (want: string | undefined, label: string | undefined): boolean => {
    if (label === '*') return want === '*' || touching
    return want === '*' ? label !== '' : want === label
  }
  if (tail === undefined) {
    return name.length === head.length && head.every((want, index) => accepts(want, name[index]))
  }
  const tailStart = name.length - tail.length
  return (
    tailStart > head.length &&
    head.every((want, index) => accepts(want, name[index])) &&
    tail.every((want, index) => accepts(want, name[tailStart + index])) &&
    name.slice(head.length, tailStart).every((label) => label !== '')
  )
}

function faultOf(text: string, fault: string): Error {
  return new Error(`${quote(text)} is not a name pattern such as www.a.test, *.a.test or **.a.test: ${fault}`)
}
