import { parseArgs } from 'node:util'
import { runCampaign } from './campaign.ts'
import { postgresGround, SQLITE } from './ground.ts'

/** `npm run crash -- --kills 500 --seed 7`; see `docs/durability.md`. */
const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '100' },
    seed: { type: 'string', default: String(process.pid) },
    'seconds-per-life': { type: 'string', default: '1.5' },
    clients: { type: 'string', default: '12' },
    // `sqlite`, or `postgres` for one of its own, with so many servers on it
    store: { type: 'string', default: 'sqlite' },
    replicas: { type: 'string', default: '2' },
  },
})

const options = {
  kills: Number(values.kills),
  seed: values.seed,
  secondsPerLife: Number(values['seconds-per-life']),
  clients: Number(values.clients),
}
const onPostgres = values.store === 'postgres'
if (!onPostgres && values.store !== 'sqlite') throw new Error('--store is sqlite or postgres')
const again = [
  `npm run crash -- --kills ${options.kills} --seed ${options.seed}`,
  `--seconds-per-life ${options.secondsPerLife} --clients ${options.clients}`,
  ...(onPostgres ? [`--store postgres --replicas ${values.replicas}`] : []),
].join(' ')
console.log(again)
const ground = onPostgres ? await postgresGround(Number(values.replicas)) : SQLITE
const result = await runCampaign({ ...options, ground, say: (line) => console.log(line) })

const table = (title: string, rows: Readonly<Record<string, number>>): void => {
  console.log(`\n${title}`)
  for (const [name, count] of Object.entries(rows)) console.log(`  ${String(count).padStart(8)}  ${name}`)
}
const total = Object.values(result.kills).reduce((sum, count) => sum + count, 0)
table(`${total} kills in ${Math.round(result.seconds)} s on ${ground.name}`, result.kills)
table('acknowledged', result.acknowledged)
console.log(`\n${result.looks} looks at acknowledged things; certificates verified by ${result.verifiedBy}`)
console.log(`${result.violations.length} violations, seed ${result.seed}`)
for (const { promise, detail, life } of result.violations.slice(0, 50))
  console.log(`  life ${life}, ${promise}: ${detail}`)
if (result.violations.length > 0) {
  console.log(`\nState folder, outside record and signatures are kept in ${result.folder}\nAgain: ${again}`)
  process.exitCode = 1
}
