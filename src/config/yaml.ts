import { type Document, Scalar, visit } from 'yaml'

/**
 * The plain value of a YAML document. YAML reads a bare `**.corp.example` as a reference to an anchor; here it is the
 * name pattern it looks like, and anchors do not exist, because they would let a small file become a huge one.
 *
 * @returns the value, or what is wrong with the document
 */
export function plainValue(document: Document.Parsed): { readonly value: unknown } | { readonly problem: string } {
  let problem: string | undefined
  visit(document, {
    Node: (_key, node) => {
      if ('anchor' in node && node.anchor !== undefined) problem = `anchors are not used here (&${String(node.anchor)})`
    },
    Alias: (_key, node) => {
      const text = new Scalar(`*${node.source}`)
      text.range = node.range ?? null
      return text
    },
  })
  return problem === undefined ? { value: document.toJS({ maxAliasCount: 0 }) } : { problem }
}
