import assert from 'node:assert/strict'
import type { RecordCache } from '../../src/store/sql/record-cache.ts'

/** The cache itself, but everything is read as well: an answer from memory that differs from the database is an error. */
export function checkedCache(cache: RecordCache): RecordCache {
  return {
    write: () => cache.write(),
    async find(wanted) {
      // The statement runs here and now, and what is remembered is looked up in the same breath.
      const reading = wanted.read()
      let isRead = false
      const read = () => {
        isRead = true
        return reading
      }
      const [found, fresh] = await Promise.all([cache.find({ ...wanted, read }), reading])
      if (!isRead) assert.deepEqual(found, fresh, `what is remembered as "${wanted.key}" is no longer true`)
      return found
    },
  }
}
