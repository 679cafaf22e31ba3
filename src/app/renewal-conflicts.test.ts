import assert from 'node:assert/strict'
import { test } from 'node:test'
import { configSchema } from '../config/schema.ts'
import { ruleSchema } from '../policy/language/schema.ts'
import { renewalConflicts } from './renewal-conflicts.ts'

const { directories, profiles } = configSchema.parse({
  directories: { default: { profiles: ['early', 'month'] }, edge: { profile: 'late' } },
  profiles: {
    server: { lifetime: '24h' },
    early: { lifetime: '24h', renewal: { after: 0.3 } },
    late: { lifetime: '24h', renewal: { after: 0.6 } },
    month: { lifetime: '30d' },
    unused: { lifetime: '24h', renewal: { after: 0.1 } },
  },
})

function conflicting(rule: object): string[] {
  const parsed = ruleSchema.parse({ name: 'r', names: { dns: ['**.a.test'] }, ...rule })
  return renewalConflicts({ directories, profiles }, [parsed]).map((one) => /profile (\w+) from/.exec(one)?.[1] ?? one)
}

test('a rule that lets nobody renew when renewal information says so is told of, for each profile it is about', () => {
  for (const [rule, expected] of [
    [{}, []],
    [{ often: { perName: { count: 1, per: '1h' } } }, []],
    [{ often: { renewAfter: 0.3 } }, []],
    [{ often: { renewAfter: 0.5 } }, ['early']],
    [{ often: { renewAfter: 0.65 } }, ['server', 'early', 'late']],
    [{ often: { renewAfter: 0.7 } }, ['server', 'early', 'month', 'late']],
    [{ often: { renewAfter: 0.65 }, profiles: ['month'] }, []],
    // No month any more, but a day.
    [{ often: { renewAfter: 0.65 }, profiles: ['month'], with: { maxLifetime: '24h' } }, ['month']],
    [{ often: { renewAfter: 0.65 }, profiles: ['month'], with: { defaultLifetime: '24h' } }, ['month']],
    [{ often: { renewAfter: 0.5 }, for: { directories: ['edge'] } }, []],
  ] as const)
    assert.deepEqual(conflicting(rule), expected, JSON.stringify(rule))
})

test('the sentence names the rule, both shares and what to change', () => {
  const rule = ruleSchema.parse({ name: 'slow', names: { dns: ['a.test'] }, often: { renewAfter: 0.7 } })
  const [first] = renewalConflicts({ directories, profiles }, [rule])
  assert.match(
    first ?? '',
    /^rule slow: often\.renewAfter is 0\.7, .* profile server from 0\.5 .*profiles\.server\.renewal\.after$/,
  )
})
