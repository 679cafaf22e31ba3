import assert from 'node:assert/strict'
import { test } from 'node:test'
import { StoreError } from '../store.ts'
import { boundDatabase } from './bounded-database.ts'
import type { Database } from './database.ts'

/** An engine that stands still. */
function stuck() {
  const pending: PromiseWithResolvers<unknown>[] = []
  const database: Database = {
    get: async () => undefined,
    all: async () => [],
    write: () => {
      const write = Promise.withResolvers<unknown>()
      pending.push(write)
      return write.promise as never
    },
    close: async () => undefined,
  }
  return { database, pending }
}

test('KF-F23 a database that stands still is busy, reads go on, and new work stops long before writes are refused', async () => {
  const { database, pending } = stuck()
  const bounded = boundDatabase(database, 80)
  const write = () => bounded.write(async () => 1)
  const writes = Array.from({ length: 9 }, write)
  assert.ok(bounded.pressure() < 1)
  writes.push(write())
  assert.equal(bounded.pressure(), 1)
  while (writes.length < 80) writes.push(write())
  await assert.rejects(write(), (error) => error instanceof StoreError && error.code === 'busy')
  await bounded.get('SELECT 1')
  pending[0]?.reject(new StoreError('failed', 'test'))
  await assert.rejects(writes[0] as Promise<unknown>)
  writes[0] = write()
  for (const { resolve } of pending) resolve(undefined)
  await Promise.all(writes)
  assert.equal(bounded.pressure(), 0)
})
