import { hash } from 'node:crypto'

/** A statement as PostgreSQL takes it. */
export interface Translated {
  readonly text: string
  /** Under which it is prepared, the same in every process; absent beyond the bound, and then it is not kept. */
  readonly name: string | undefined
}

/** Each is kept by each connection of the server, so a statement whose text varies must not fill its memory. */
const MAX_NAMED = 500

/**
 * Turns `?` into `$1`, `$2` …, once per statement. A `?` in quotes stays.
 *
 * @param text as it stands in `store/sql/`
 */
export class StatementCache {
  readonly #known = new Map<string, Translated>()

  translate(text: string): Translated {
    const known = this.#known.get(text)
    if (known !== undefined) return known
    const translated = numberParameters(text)
    const isNamed = this.#known.size < MAX_NAMED
    const made = { text: translated, name: isNamed ? nameOf(translated) : undefined }
    if (isNamed) this.#known.set(text, made)
    return made
  }
}

function nameOf(text: string): string {
  return `chancery_${hash('sha256', text, 'hex').slice(0, 24)}`
}

export function numberParameters(text: string): string {
  let count = 0
  return text.replace(/'[^']*'|"[^"]*"|\?/g, (part) => (part === '?' ? `$${++count}` : part))
}
