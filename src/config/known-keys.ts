import { type JsonSchema, jsonSchema } from './json-schema.ts'
import { nearest } from './nearest.ts'

/** What may stand at a path: its keys, or that any name may (a map of the operator's own names). */
function schemaAt(path: readonly PropertyKey[]): JsonSchema | undefined {
  let at: JsonSchema | undefined = jsonSchema()
  for (const part of path) {
    if (at === undefined) return undefined
    const named: JsonSchema | undefined = at.properties?.[String(part)]
    at = named ?? (typeof at.additionalProperties === 'object' ? at.additionalProperties : undefined)
  }
  return at
}

/** Every key that takes a value, as a dotted path; `<name>` stands for a name of the operator's choice. */
export function knownKeys(): string[] {
  return allPaths().flatMap(({ path, isValue }) => (isValue ? [path] : []))
}

function allPaths(): { readonly path: string; readonly isValue: boolean }[] {
  const found: { path: string; isValue: boolean }[] = []
  const visit = (schema: JsonSchema, path: string): void => {
    if (path !== '')
      found.push({ path, isValue: schema.properties === undefined && typeof schema.additionalProperties !== 'object' })
    for (const [key, child] of Object.entries(schema.properties ?? {}))
      visit(child, path === '' ? key : `${path}.${key}`)
    if (typeof schema.additionalProperties === 'object') visit(schema.additionalProperties, `${path}.<name>`)
  }
  visit(jsonSchema(), '')
  return found
}

/** The words for an unknown key: the key it was probably meant to be, or what is known there (KF-G06). */
export function suggestKey(parent: readonly PropertyKey[], key: string): string {
  const siblings = Object.keys(schemaAt(parent)?.properties ?? {})
  const prefix = parent.length === 0 ? '' : `${parent.map(String).join('.')}.`
  const near = nearest(key, siblings)
  if (near !== undefined) return `did you mean ${prefix}${near}?`
  const byName = new Map(
    allPaths()
      .map(({ path }) => [path.slice(path.lastIndexOf('.') + 1), path])
      .reverse() as [string, string][],
  )
  const elsewhere = byName.get(key) ?? byName.get(nearest(key, byName.keys()) ?? '')
  if (elsewhere !== undefined) return `did you mean ${elsewhere}?`
  return `known here: ${siblings.join(', ')}`
}
