/**
 * A name as a sequence of whole parts, the most general first: labels of a DNS name from the right, the segments of a
 * URI from the left. All patterns of rules are matched part by part, never within a part (KF-C11, KF-F11).
 */
export type Parts = readonly string[]

/** A pattern over parts: `*` is exactly one, `**` one or more (at most once), every other part is itself. */
export interface SequencePattern {
  readonly parts: Parts
  /** Where `**` stands; undefined when there is none. */
  readonly gap: number | undefined
}

const ONE = '*'
const SOME = '**'

/** @throws {Error} when `**` stands twice, or a star is a piece of a part */
export function compileSequence(parts: Parts): SequencePattern {
  if (parts.length === 0 || parts.some((part) => part === '')) throw new Error('it has an empty part')
  if (parts.some((part) => part.includes('*') && part !== ONE && part !== SOME)) {
    throw new Error('`*` and `**` must be whole parts')
  }
  const gap = parts.indexOf(SOME)
  if (gap !== parts.lastIndexOf(SOME)) throw new Error('`**` may stand only once')
  return { parts, gap: gap < 0 ? undefined : gap }
}

/**
 * Whether the pattern holds a name, in time linear in its parts.
 *
 * A part `*` of the name is a wildcard that stands for any one part. It is held only where the pattern has `*` or
 * `**`; when `touching`, by any part: then the question is whether the pattern holds *some* name that it stands for.
 */
export function holdsSequence({ parts, gap }: SequencePattern, name: Parts, touching = false): boolean {
  if (gap === undefined) {
    return name.length === parts.length && parts.every((want, index) => accepts(want, name[index], touching))
  }
  const tailLength = parts.length - gap - 1
  const tailStart = name.length - tailLength
  if (tailStart <= gap) return false
  for (let index = 0; index < gap; index++) if (!accepts(parts[index], name[index], touching)) return false
  for (let index = 0; index < tailLength; index++) {
    if (!accepts(parts[gap + 1 + index], name[tailStart + index], touching)) return false
  }
  for (let index = gap; index < tailStart; index++) if (name[index] === '') return false
  return true
}

function accepts(want: string | undefined, part: string | undefined, touching: boolean): boolean {
  if (part === undefined || part === '') return false
  return want === ONE || want === part || (touching && part === ONE)
}

/** The parts in front of the first star: what a name must begin with to be held. */
export function fixedParts({ parts }: SequencePattern): Parts {
  const star = parts.findIndex((part) => part === ONE || part === SOME)
  return star < 0 ? parts : parts.slice(0, star)
}
