import type { Lineage } from './history.ts'

/**
 * What a move writes into the two databases, each as a life that never ends and that no program therefore serves, this
 * one or an older one. `away`: everything is in the other database; `arriving`: the copy is whole, but the other
 * database may be served still.
 */
export interface MoveMark {
  readonly kind: 'away' | 'arriving'
  /** The same in both databases; 32 hex digits. */
  readonly id: string
  /** The other database, as messages name it. */
  readonly other: string
}

const MARK = /^moved (away|arriving) ([0-9a-f]{32}) (.+)$/s

export function markText({ kind, id, other }: MoveMark): string {
  return `moved ${kind} ${id} ${other}`
}

/** Undefined for a life that is no mark, and for one that a restore went on from. */
export function readMark(lineage: Pick<Lineage, 'lineage' | 'finishedAt'> | undefined): MoveMark | undefined {
  if (lineage === undefined || lineage.finishedAt !== undefined) return undefined
  const [, kind, id, other] = MARK.exec(lineage.lineage) ?? []
  if (id === undefined || other === undefined) return undefined
  return { kind: kind === 'away' ? 'away' : 'arriving', id, other }
}

/** Why a database with this mark is not used, and what to do. */
export function explainMark({ kind, other }: MoveMark): string {
  return kind === 'away'
    ? `this database was moved to ${other}, and goes on there: set store.url to that. Only if that one is lost: chancery restore`
    : `the move of ${other} to this database did not end. Run it again as before, with store.url at ${other}: chancery store move`
}
