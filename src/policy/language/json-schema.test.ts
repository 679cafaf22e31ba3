import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import type { JsonSchema } from '../../config/json-schema.ts'
import { policyJsonSchema } from './json-schema.ts'

const PAGE = new URL('../../../docs/policy.schema.json', import.meta.url)

test('docs/policy.schema.json is the schema that the program has', () => {
  const written: unknown = JSON.parse(readFileSync(PAGE, 'utf8'))
  assert.deepEqual(written, policyJsonSchema(), 'write it anew: chancery policy schema > docs/policy.schema.json')
})

test('every member of a rule is described, closed to others, and may be one plain value where it is a list', () => {
  const rule = policyJsonSchema().properties?.['rules']?.items
  assert.ok(rule?.properties)
  const look = (schema: JsonSchema, path: string): void => {
    for (const [name, child] of Object.entries(schema.properties ?? {})) {
      assert.ok(child.description, `${path}.${name} has no description`)
      look(child, `${path}.${name}`)
    }
    if (schema.properties !== undefined) assert.equal(schema.additionalProperties, false, path)
  }
  look(rule, 'rule')
  assert.equal(rule.properties['profiles']?.anyOf?.length, 2)
  assert.equal(rule.properties['with']?.properties?.['certificatePolicies']?.type, 'array')
})
