import './event-loop.ts'
import { parseArgs } from 'node:util'
import { PLANTS, type PlantName } from './plants.ts'
import { simulate } from './simulate.ts'

/**
 * `npm run simulate -- --seed N --days 180`: runs one seed or, with `--seeds COUNT`, that many from it on, and says how
 * fast. Ends with 1 at the first violation, after the seed and the last lines of the trace.
 */
const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    seeds: { type: 'string', default: '1' },
    days: { type: 'string', default: '30' },
    accounts: { type: 'string', default: '12' },
    'crash-rate': { type: 'string', default: '2' },
    'fault-rate': { type: 'string', default: '3' },
    plant: { type: 'string', default: 'none' },
    trace: { type: 'boolean', default: false },
    tail: { type: 'string', default: '30' },
  },
})

if (!Object.hasOwn(PLANTS, values.plant)) throw new Error(`--plant is one of ${Object.keys(PLANTS).join(', ')}`)
let days = 0
const startedMs = performance.now()
for (let i = 0; i < Number(values.seeds); i++) {
  const seed = String(Number(values.seed) + i)
  const [begun, cpu] = [performance.now(), process.cpuUsage()]
  process.stdout.write(`seed ${seed}: `)
  const report = await simulate({
    seed,
    days: Number(values.days),
    members: Number(values.accounts),
    crashRate: Number(values['crash-rate']),
    faultRate: Number(values['fault-rate']),
    plant: values.plant as PlantName,
    ...(values.trace && { echo: (line: string) => void process.stdout.write(`${line}\n`) }),
  })
  const seconds = (performance.now() - begun) / 1000
  const { user, system } = process.cpuUsage(cpu)
  days += report.days
  const rate = `${Math.round(report.days / (seconds / 60))} days a minute, ${((user + system) / 1e6).toFixed(1)} s of CPU`
  const facts = Object.entries(report.facts).map(([name, value]) => `${name} ${value}`)
  process.stdout.write(
    `${report.days.toFixed(1)} days, ${rate}, trace ${report.traceHash.slice(0, 16)}\n  ${facts.join(', ')}\n`,
  )
  if (report.failure === undefined) continue
  const again = process.argv
    .slice(2)
    .filter((_, at, all) => !/^--seeds?$/.test(all[at] ?? '') && !/^--seeds?$/.test(all[at - 1] ?? ''))
  process.stdout.write(`${report.tail.slice(-Number(values.tail)).join('\n')}\n`)
  process.stdout.write(`FAILED with seed ${seed}; again: npm run simulate -- --seed ${seed} ${again.join(' ')}\n`)
  console.error(report.failure)
  process.exit(1)
}
process.stdout.write(
  `${days.toFixed(0)} simulated days, ${Math.round(days / ((performance.now() - startedMs) / 60_000))} a minute, no violation\n`,
)
