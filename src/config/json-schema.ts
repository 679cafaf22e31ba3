import { z } from 'zod'
import { configSchema } from './schema.ts'

/** The part of JSON Schema (draft 2020-12) that describes a configuration file. */
export interface JsonSchema {
  $schema?: string
  title?: string
  type?: string
  description?: string
  default?: unknown
  properties?: Record<string, JsonSchema>
  additionalProperties?: JsonSchema | boolean
  items?: JsonSchema
  anyOf?: JsonSchema[]
  [keyword: string]: unknown
}

let cached: JsonSchema | undefined

/** The schema of `chancery.yaml`, with every default, for editors and for `chancery config schema`. */
export function jsonSchema(): JsonSchema {
  if (cached !== undefined) return cached
  const made = z.toJSONSchema(configSchema, { io: 'input', unrepresentable: 'any' }) as JsonSchema
  made.title = 'Chancery configuration'
  // One entry per map of names, so that the defaults of an entry are seen.
  addDefaults(made, configSchema.parse({ directories: { name: {} }, profiles: { name: {} }, policies: { name: {} } }))
  allowSingleItems(made)
  cached = made
  return made
}

/** Defaults as the schema itself fills them in; the generator leaves out those behind a transformation. */
function addDefaults(schema: JsonSchema, value: unknown): void {
  if (value === undefined) return
  const isMap = typeof value === 'object' && value !== null && !Array.isArray(value)
  if (!isMap) {
    schema.default = value
    return
  }
  if (schema.properties !== undefined) {
    delete schema.default
    for (const [key, child] of Object.entries(schema.properties))
      addDefaults(child, (value as Record<string, unknown>)[key])
  } else if (typeof schema.additionalProperties === 'object') {
    schema.default = {}
    const builtIn = Object.values(value as Record<string, unknown>)[0]
    if (builtIn !== undefined) addDefaults(schema.additionalProperties, builtIn)
  }
}

/** One plain value stands for a list of one. */
function allowSingleItems(schema: JsonSchema): void {
  for (const child of Object.values(schema.properties ?? {})) allowSingleItems(child)
  if (typeof schema.additionalProperties === 'object') allowSingleItems(schema.additionalProperties)
  if (schema.type === 'array' && schema.items !== undefined) {
    const { type, items, ...rest } = schema
    for (const keyword of ['type', 'items', ...Object.keys(rest)]) delete schema[keyword]
    Object.assign(schema, rest, { anyOf: [{ type, items }, items] })
  }
}
