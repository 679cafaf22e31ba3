import type { Parts, SequencePattern } from './sequence-pattern.ts'
import { fixedParts, holdsSequence } from './sequence-pattern.ts'

interface Node<T> {
  readonly children: Map<string, Node<T>>
  readonly entries: { readonly pattern: SequencePattern; readonly value: T }[]
}

/**
 * Many patterns, asked at once which of them hold a name. A pattern is kept under its fixed parts, so that a question
 * looks at those that agree with the beginning of the name, not at all.
 */
export class SequenceIndex<T> {
  readonly #root: Node<T> = { children: new Map(), entries: [] }

  add(pattern: SequencePattern, value: T): void {
    let node = this.#root
    for (const part of fixedParts(pattern)) {
      let next = node.children.get(part)
      if (next === undefined) {
        next = { children: new Map(), entries: [] }
        node.children.set(part, next)
      }
      node = next
    }
    node.entries.push({ pattern, value })
  }

  /** Calls `visit` for each pattern that holds the name; see `holdsSequence` for `touching`. */
  find(name: Parts, visit: (value: T) => void, touching = false): void {
    walk(this.#root, name, 0, touching, visit)
  }
}

/** As deep as the name has parts, which those who made it have bounded. */
function walk<T>(node: Node<T>, name: Parts, depth: number, touching: boolean, visit: (value: T) => void): void {
  for (const { pattern, value } of node.entries) if (holdsSequence(pattern, name, touching)) visit(value)
  const part = name[depth]
  if (part === undefined) return
  if (touching && part === '*') {
    for (const child of node.children.values()) walk(child, name, depth + 1, touching, visit)
    return
  }
  const next = node.children.get(part)
  if (next !== undefined) walk(next, name, depth + 1, touching, visit)
}
