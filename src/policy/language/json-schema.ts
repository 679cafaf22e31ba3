import { z } from 'zod'
import type { JsonSchema } from '../../config/json-schema.ts'
import { policyFileSchema } from './schema.ts'

/** The schema of the policy file, for editors and for `chancery policy schema`. */
export function policyJsonSchema(): JsonSchema {
  const made = z.toJSONSchema(policyFileSchema, { io: 'input', unrepresentable: 'any' }) as JsonSchema
  made.title = 'Chancery policy file'
  allowSingleItems(made)
  return made
}

/** One plain value stands for a list of one, wherever a list must not be empty. */
function allowSingleItems(schema: JsonSchema): void {
  for (const child of Object.values(schema.properties ?? {})) allowSingleItems(child)
  if (typeof schema.additionalProperties === 'object') allowSingleItems(schema.additionalProperties)
  if (schema.items !== undefined) allowSingleItems(schema.items)
  if (schema.type !== 'array' || schema.items === undefined || schema['minItems'] === undefined) return
  const { type, items, minItems, description } = schema
  for (const keyword of Object.keys(schema)) delete schema[keyword]
  Object.assign(schema, description !== undefined && { description }, { anyOf: [{ type, items, minItems }, items] })
}
