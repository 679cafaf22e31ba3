import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { openSqliteStore } from '../../src/store/sqlite/engine.ts'
import { COMPILE_CACHE } from '../support/chancery.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { openTestStore } from '../support/store.ts'
import { OF_A_RESTORE, READS, WRITES } from './commit-points.ts'
import { dump } from './dump.ts'

const CHILD = fileURLToPath(new URL('./commit-point-child.ts', import.meta.url))

/** Runs the child to its end, which is mostly a violent one. */
function child(write: string, path: string, side: string): Promise<{ signal: string | null; stdout: string }> {
  return new Promise((resolve, reject) => {
    const env = { ...process.env, NODE_COMPILE_CACHE: COMPILE_CACHE }
    const options = { encoding: 'utf8', maxBuffer: 16 << 20, env } as const
    execFile(process.execPath, [CHILD, write, path, side], options, (error, stdout, stderr) => {
      const signal = error?.signal ?? null
      if (error !== null && signal === null) reject(new Error(`${error.message}\n${stderr}`))
      else resolve({ signal, stdout })
    })
  })
}

test('every method of the store is known as a read, or as a write with its place below', async () => {
  const { store, cleanup } = await openTestStore()
  const methods = Object.entries(store).flatMap(([noun, part]) =>
    typeof part === 'function' ? [noun] : Object.keys(part).map((name) => `${noun}.${name}`),
  )
  assert.deepEqual(methods.toSorted(), [...Object.keys(WRITES), ...READS, ...OF_A_RESTORE].toSorted())
  await cleanup()
})

describe('KF-E01 a kill in front of the commit of a write leaves nothing of it, one behind it leaves all of it', {
  concurrency: 2,
}, () => {
  for (const write of Object.keys(WRITES)) {
    test(write, async () => {
      const folder = await mkdtemp(join(tmpdir(), 'chancery-point-'))
      try {
        const whole = await child(write, join(folder, 'never.db'), 'never')
        const expected = JSON.parse(whole.stdout) as { before: string; after: string }
        assert.notEqual(expected.before, expected.after, 'the write changes nothing, so that nothing is shown by it')
        for (const side of ['before', 'after'] as const) {
          const path = join(folder, `${side}.db`)
          assert.equal((await child(write, path, side)).signal, 'SIGKILL')
          // By a start, as after a crash; what is looked at is what it found.
          await (await openSqliteStore({ path, clock: new FakeClock(), exclusive: true })).close()
          assert.equal(dump(path), expected[side])
        }
      } finally {
        await rm(folder, { recursive: true, force: true })
      }
    })
  }
})
