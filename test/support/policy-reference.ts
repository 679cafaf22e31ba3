import type { JsonSchema } from '../../src/config/json-schema.ts'
import { VARIABLES } from '../../src/policy/language/condition.ts'
import { policyJsonSchema } from '../../src/policy/language/json-schema.ts'

/** The rows that the reference of the policy file must hold, made of the program, so that the two cannot drift apart. */
export function memberRows(): string[] {
  const file = policyJsonSchema().properties ?? {}
  const rule = file['rules']?.items ?? {}
  const test = file['tests']?.items?.properties ?? {}
  return [...rows(rule, ''), ...rows(test['request'] ?? {}, 'request.')]
}

export function variableRows(): string[] {
  return Object.entries(VARIABLES).map(
    ([name, { type, meaning, early }]) => `| \`${name}\` | \`${type}\` | ${meaning} | ${early ? 'yes' : 'no'} |`,
  )
}

function rows(schema: JsonSchema, prefix: string): string[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, child]) => [
    `| \`${prefix}${name}\` | ${child.description ?? ''} |`,
    ...rows(child, `${prefix}${name}.`),
  ])
}
