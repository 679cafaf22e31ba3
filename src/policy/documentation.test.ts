import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { parse } from 'yaml'
import { z } from 'zod'
import { type Config, configSchema, DEFAULT_POLICY_ADDRESSES, DEFAULT_POLICY_NAMES } from '../config/schema.ts'
import type { PolicyRequest, RequestedName } from './decision.ts'
import { createPolicy } from './policy.ts'

const page = readFileSync(new URL('../../docs/policy.md', import.meta.url), 'utf8')

const exampleSchema = z.strictObject({
  dns: z.string().optional(),
  ip: z.string().optional(),
  key: z.enum(['P-256', 'RSA', 'Ed25519']).optional(),
  bits: z.number().default(256),
  profile: z.string().default('server'),
  lifetimeSeconds: z.number().optional(),
  outcome: z.enum(['allow', 'deny']),
  rule: z.string().optional(),
})
type Example = z.infer<typeof exampleSchema>

/** The page's YAML blocks: each configuration with the examples that follow it. */
function readPage(): { config: Config; examples: Example[] }[] {
  const sections: { config: Config; examples: Example[] }[] = []
  for (const [, yaml] of page.matchAll(/^```yaml\n([\s\S]*?)^```$/gm)) {
    const block: unknown = parse(yaml ?? '')
    const examples = z.strictObject({ examples: z.array(exampleSchema) }).safeParse(block)
    if (examples.success) sections.at(-1)?.examples.push(...examples.data.examples)
    else sections.push({ config: configSchema.parse(block), examples: [] })
  }
  return sections
}

function requestOf(example: Example): PolicyRequest {
  const name: RequestedName =
    example.dns === undefined ? { type: 'ip', value: example.ip ?? '' } : { type: 'dns', value: example.dns }
  return {
    requester: { kind: 'account', directory: 'default', accountId: 'acc_1' },
    stage: 'order',
    profile: example.profile,
    names: [name],
    at: new Date(0),
    ...(example.key && { key: { algorithm: example.key, bits: example.bits, spkiSha256: '' } }),
    ...(example.lifetimeSeconds !== undefined && { lifetimeSeconds: example.lifetimeSeconds }),
  }
}

const sections = readPage()

test('every example of the page is decided as the page says', async () => {
  assert.ok(sections.length >= 7)
  for (const { config, examples } of sections) {
    assert.ok(examples.length >= 2)
    const profiles = new Map(
      Object.entries(config.profiles).map(([name, { lifetime, maxLifetime, extendedKeyUsages = ['serverAuth'] }]) => [
        name,
        { lifetimeSeconds: lifetime, maxLifetimeSeconds: maxLifetime ?? lifetime, extendedKeyUsages },
      ]),
    )
    const policy = createPolicy({ config: config.policies.default!, name: 'default', profiles })
    for (const example of examples) {
      const decision = await policy.decide(requestOf(example))
      const about = JSON.stringify(example)
      assert.equal(decision.outcome, example.outcome, about)
      if (example.outcome === 'deny')
        assert.deepEqual(
          decision.reasons.map((r) => r.rule),
          [example.rule],
          about,
        )
    }
  }
})

test('KF-G05 the first policy of the page is the one of a first start', () => {
  const { allow } = sections[0]!.config.policies.default!
  assert.deepEqual(allow.dns, [...DEFAULT_POLICY_NAMES])
  assert.deepEqual(allow.ip, [...DEFAULT_POLICY_ADDRESSES])
  assert.deepEqual(sections[0]!.config.policies, configSchema.parse({}).policies)
})
