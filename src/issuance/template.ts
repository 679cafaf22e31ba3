import { quote } from '../lib/quote.ts'

/** A text with places for attributes of the external account key. */
export interface Template {
  readonly text: string
  readonly parts: readonly (string | Placeholder)[]
}

export interface Placeholder {
  readonly attribute: string
  /** Whether the value may be several labels or segments. */
  readonly isMany: boolean
  readonly place: Place
}

/** Where a value stands: what it may be so that it adds nothing but itself (KF-C10). */
export type Place = 'label' | 'segment' | 'local' | 'text'

interface PlaceRow {
  /** One value, or one of several. */
  readonly fits: (value: string) => boolean
  /** What to write behind the colon when there may be several, and what stands between them. */
  readonly many?: { readonly word: string; readonly separator: string }
  readonly wants: string
}

const LABEL = /^[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/
const SEGMENT = /^[A-Za-z0-9._-]{1,255}$/
const LOCAL = /^[A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*$/
/** Controls, invisible format characters, line separators and what is no character. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}]/u

const PLACES: Readonly<Record<Place, PlaceRow>> = {
  label: {
    fits: (value) => LABEL.test(value),
    many: { word: 'labels', separator: '.' },
    wants: 'letters, digits and hyphens',
  },
  segment: {
    fits: (value) => SEGMENT.test(value) && value !== '.' && value !== '..',
    many: { word: 'segments', separator: '/' },
    wants: 'letters, digits, dots, hyphens and underscores',
  },
  local: { fits: (value) => value.length <= 64 && LOCAL.test(value), wants: 'letters, digits, dots, +, - and _' },
  text: {
    fits: (value) => value.length <= 128 && value.trim() === value && value !== '' && !UNPRINTABLE.test(value),
    wants: 'printable text',
  },
}

const PLACEHOLDER = /^attribute\.([A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?)(?::([a-z]+))?$/

/**
 * Reads a template such as `{attribute.host}.corp.example`.
 *
 * @param placeAt what a placeholder behind this text stands for; undefined: none may stand there
 * @throws {Error} naming the fault
 */
export function compileTemplate(text: string, placeAt: (before: string) => Place | undefined): Template {
  const parts: (string | Placeholder)[] = []
  let before = ''
  for (const [index, piece] of text.split('{').entries()) {
    const close = piece.indexOf('}')
    if (index === 0 ? close >= 0 : close < 0) throw faultOf(text, 'its braces do not fit together')
    if (index > 0) {
      parts.push(placeholder(text, piece.slice(0, close), placeAt(before)))
      before += 'x'
    }
    const rest = index === 0 ? piece : piece.slice(close + 1)
    if (rest.includes('}')) throw faultOf(text, 'its braces do not fit together')
    if (rest.includes('*')) throw faultOf(text, 'a template holds no star; what it makes is a name and no pattern')
    if (rest !== '') parts.push(rest)
    before += rest
  }
  if (parts.length === 0) throw faultOf(text, 'it is empty')
  return { text, parts }
}

function placeholder(text: string, inside: string, place: Place | undefined): Placeholder {
  const [, attribute, word] = PLACEHOLDER.exec(inside) ?? []
  if (attribute === undefined) throw faultOf(text, `${quote(inside)} is no placeholder; write {attribute.name}`)
  if (place === undefined) throw faultOf(text, `{${inside}} stands where the text must be written out`)
  const { many } = PLACES[place]
  if (word !== undefined && word !== many?.word)
    throw faultOf(text, `:${word} is not known here${many === undefined ? '' : `, only :${many.word}`}`)
  return { attribute, isMany: word !== undefined, place }
}

/**
 * The text with the values of these attributes in their places.
 *
 * @returns a sentence when a value is missing or does not fit; never the value, which may be nobody's business
 */
export function fillTemplate(
  { parts }: Template,
  attributes: Readonly<Record<string, string>>,
): { readonly ok: true; readonly text: string } | { readonly ok: false; readonly reason: string } {
  let text = ''
  for (const part of parts) {
    if (typeof part === 'string') {
      text += part
      continue
    }
    const value = Object.hasOwn(attributes, part.attribute) ? attributes[part.attribute] : undefined
    if (value === undefined)
      return { ok: false, reason: `the external account key has no attribute ${quote(part.attribute)}` }
    const { fits, many, wants } = PLACES[part.place]
    const isMany = part.isMany && many !== undefined
    const values = isMany ? value.split(many.separator) : [value]
    if (!values.every(fits)) {
      const what =
        many === undefined ? wants : isMany ? `${many.word} of ${wants}` : `one of the ${many.word}, of ${wants}`
      return { ok: false, reason: `the attribute ${quote(part.attribute)} does not fit: it must be ${what}` }
    }
    text += value
  }
  return { ok: true, text }
}

function faultOf(text: string, fault: string): Error {
  return new Error(`${quote(text)} is not a template: ${fault}`)
}
