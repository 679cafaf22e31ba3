/**
 * What a decision costs under many rules and many accounts, and what reading such a file anew does to a process that
 * decides meanwhile: `npm run bench:policy`, or `node bin/pinned-node.mjs bench/policy.ts --rules 10000 --accounts 100000`.
 */
import { cpus } from 'node:os'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { parseArgs } from 'node:util'
import type { ExternalKeyFacts, PolicyRequest, RequestedName } from '../src/policy/decision.ts'
import { readPolicyAside } from '../src/policy/language/read-aside.ts'
import { SeededRandom } from '../test/support/seeded-random.ts'

const { values } = parseArgs({
  options: {
    rules: { type: 'string', default: '10000' },
    accounts: { type: 'string', default: '100000' },
    decisions: { type: 'string', default: '200000' },
    seed: { type: 'string', default: '1' },
  },
})
const ruleCount = Number(values.rules)
const accountCount = Number(values.accounts)
const decisions = Number(values.decisions)
const random = new SeededRandom(values.seed)
const pick = (count: number): number => random.bytes(4).readUInt32BE() % count

const PROFILES = new Map([
  ['server', { lifetimeSeconds: 86_400, maxLifetimeSeconds: 604_800, extendedKeyUsages: ['serverAuth'] }],
])
const NOW = new Date('2026-03-01T12:00:00Z')

/** Of every hundred rules: who, what, and how, as in a company of teams, devices, meshes and partners. */
function ruleOf(i: number): object {
  const name = `rule-${i}`
  const kind = i % 100
  if (kind < 40) return { name, for: { attributes: { team: `t${i}` } }, names: { dns: [`**.t${i}.corp.test`] } }
  if (kind < 60) return { name, for: { groups: [`g${i}`] }, names: { dns: ['**.shared.corp.test'], wildcards: true } }
  if (kind < 70) return { name, names: { dns: [`host-${i}.corp.test`] }, challenges: { dns: 'dns-01' } }
  if (kind < 80) return { name, names: { ip: [`10.${(i >> 8) & 255}.${i & 255}.0/24`] } }
  if (kind < 85)
    return { name, for: { attributes: { site: `s${i}` } }, names: { uri: [`spiffe://corp.test/ns/n${i}/**`] } }
  if (kind < 90) {
    const when = `names.all(n, n.value.endsWith('.' + attributes.team + '.corp.test')) && lifetime <= 86400`
    return { name, for: { groups: [`g${i}`] }, names: { dns: [`**.c${i}.corp.test`] }, when }
  }
  if (kind < 95) return { name, effect: 'deny', names: { dns: [`**.secret-${i}.corp.test`] } }
  return {
    name,
    names: { dns: [`**.p${i}.partner.test`] },
    with: { maxLifetime: '12h' },
    expires: '2030-01-01T00:00:00Z',
  }
}

interface Account {
  readonly id: string
  readonly externalKey: ExternalKeyFacts
}

function accountOf(i: number): Account {
  const rule = i % ruleCount
  const attributes = { team: `t${rule}`, site: `s${rule}`, owner: `owner-${i}`, host: `host-${i}` }
  const groups = [`g${rule}`, `g${(rule + 7) % ruleCount}`, 'everybody']
  return { id: `acc_${i}`, externalKey: { id: `eab_${i}`, attributes, groups } }
}

/** One that the account's own rule allows in nine of ten, else one of somebody else's. */
function namesOf(account: number): RequestedName[] {
  const i = (account + (pick(10) === 0 ? 40 : 0)) % ruleCount
  const kind = i % 100
  const dns = (value: string): RequestedName => ({ type: 'dns', value })
  if (kind < 40) return [dns(`www.t${i}.corp.test`), dns(`api.t${i}.corp.test`)]
  if (kind < 60) return [dns(`x${account}.shared.corp.test`)]
  if (kind < 70) return [dns(`host-${i}.corp.test`)]
  if (kind < 80) return [{ type: 'ip', value: `10.${(i >> 8) & 255}.${i & 255}.7` }]
  if (kind < 85) return [{ type: 'uri', value: `spiffe://corp.test/ns/n${i}/sa/web` }]
  if (kind < 90) return [dns(`a.t${i}.corp.test`), dns(`b.c${i}.corp.test`)]
  if (kind < 95) return [dns(`www.secret-${i}.corp.test`)]
  return [dns(`www.p${i}.partner.test`)]
}

function requestOf(accounts: readonly Account[]): PolicyRequest {
  const at = pick(accounts.length)
  const { id: accountId, externalKey } = accounts[at] as Account
  const names = namesOf(at)
  const base = {
    requester: { kind: 'account' as const, directory: 'default', accountId, externalKey },
    profile: 'server',
    names,
    at: NOW,
  }
  if (pick(2) === 0) return { ...base, stage: 'order' }
  return {
    ...base,
    stage: 'issuance',
    key: { algorithm: 'P-256', bits: 256, spkiSha256: '00'.repeat(32) },
    lifetimeSeconds: 43_200,
    extendedKeyUsages: ['serverAuth'],
    subject: [],
    certificatePolicies: [],
    mustStaple: false,
    proofs: names.map((name) => ({ name, method: 'dns-01', at: NOW })),
  }
}

const file = {
  version: 1,
  rules: Array.from({ length: ruleCount }, (_, i) => ruleOf(i)),
  tests: Array.from({ length: 100 }, (_, i) => ({
    name: `test ${i}`,
    request: { dns: `www.t${i % 40}.corp.test`, attributes: { team: `t${i % 40}` } },
    expect: 'allow',
  })),
}
const bytes = Buffer.from(JSON.stringify(file))
const accounts = Array.from({ length: accountCount }, (_, i) => accountOf(i))
const read = () => readPolicyAside(bytes, { profiles: PROFILES, now: NOW })

const loading = performance.now()
const { policy } = await read()
const loadMs = performance.now() - loading

const times = new Float64Array(decisions)
const outcomes = { allow: 0, deny: 0 }
for (let i = -Math.min(decisions, 20_000); i < decisions; i++) {
  const request = requestOf(accounts)
  const begun = performance.now()
  const { outcome } = await policy.decide(request)
  if (i < 0) continue
  times[i] = (performance.now() - begun) * 1000
  outcomes[outcome]++
}
times.sort()
const us = (share: number): number => Number((times[Math.floor(share * (decisions - 1))] ?? 0).toFixed(1))

// Decisions go on while the file is read anew, as those of a server do.
const delay = monitorEventLoopDelay({ resolution: 1 })
delay.enable()
let decided = 0
let isReading = true
const reloading = performance.now()
const reload = read().finally(() => {
  isReading = false
})
while (isReading) {
  await policy.decide(requestOf(accounts))
  if (++decided % 50 === 0) await new Promise(setImmediate)
}
await reload
delay.disable()

console.log(
  JSON.stringify(
    {
      cpu: cpus()[0]?.model,
      node: process.version,
      rules: ruleCount,
      accounts: accountCount,
      fileMiB: Number((bytes.length / 2 ** 20).toFixed(2)),
      decisions,
      outcomes,
      decisionUs: { median: us(0.5), p90: us(0.9), p99: us(0.99), p999: us(0.999), max: us(1) },
      loadMs: Math.round(loadMs),
      reload: {
        ms: Math.round(performance.now() - reloading),
        decidedMeanwhile: decided,
        eventLoopDelayMs: {
          p99: Number((delay.percentile(99) / 1e6).toFixed(1)),
          max: Number((delay.max / 1e6).toFixed(1)),
        },
      },
      heapMiB: Math.round(process.memoryUsage().heapUsed / 2 ** 20),
    },
    null,
    2,
  ),
)
