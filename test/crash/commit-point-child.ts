import { openSqliteStore } from '../../src/store/sqlite/engine.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { hookCommits } from './commit-hooks.ts'
import { WRITES } from './commit-points.ts'
import { dump } from './dump.ts'

/**
 * A process of its own: `node commit-point-child.ts WRITE PATH SIDE`. Does what the write needs, then the write itself,
 * and kills itself `before` or `after` its commit. With `never`, it prints the rows before and after it.
 */
const [write = '', path = '', side] = process.argv.slice(2)

const clock = new FakeClock()
// The process that holds the database keeps spent nonces in memory; any other has a row for each.
const store = await openSqliteStore({ path, clock, exclusive: write !== 'nonces.spend' })
const act = await WRITES[write]?.(store, clock.now())
if (act === undefined) throw new Error(`there is no write ${write}`)
const setup = dump(path)
if (side !== 'never') {
  hookCommits((commit) => {
    if (side === 'after') commit()
    process.kill(process.pid, 'SIGKILL')
  })
}
await act()
console.log(JSON.stringify({ before: setup, after: dump(path) }))
await store.close()
