import { type JsonSchema, jsonSchema } from '../../src/config/json-schema.ts'
import { knownKeys } from '../../src/config/known-keys.ts'

/** A key as `docs/configuration.md` shows it: one row of a table. */
export interface ReferenceRow {
  readonly key: string
  readonly row: string
}

/** The rows that the reference must hold, made of the schema, so that the two cannot drift apart. */
export function referenceRows(): ReferenceRow[] {
  return knownKeys().map((key) => {
    const schema = schemaOf(key)
    return { key, row: `| \`${key}\` | ${defaultText(schema)} | ${schema.description ?? ''} |` }
  })
}

function schemaOf(key: string): JsonSchema {
  let at: JsonSchema = jsonSchema()
  for (const part of key.split('.')) {
    const next = part === '<name>' ? at.additionalProperties : at.properties?.[part]
    if (typeof next !== 'object') throw new Error(`${key} is not in the schema`)
    at = next
  }
  return at
}

function defaultText(schema: JsonSchema): string {
  const { default: value } = schema
  if (value === undefined) return ''
  if (typeof value === 'number' && isDuration(schema)) return `\`${durationText(value)}\``
  if (Array.isArray(value)) return `\`[${value.join(', ')}]\``
  return `\`${value === '' ? '""' : String(value)}\``
}

function isDuration(schema: JsonSchema): boolean {
  return JSON.stringify(schema.anyOf ?? []).includes('[smhd]')
}

function durationText(seconds: number): string {
  const units = [
    ['d', 86_400],
    ['h', 3600],
    ['m', 60],
  ] as const
  const unit = units.find(([, size]) => seconds >= size && seconds % size === 0)
  return unit === undefined || seconds === 0 ? `${seconds}s` : `${seconds / unit[1]}${unit[0]}`
}
