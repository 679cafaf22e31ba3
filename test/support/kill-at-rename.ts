import fs from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'

/**
 * Loaded with `--import`: kills the process, as power loss would, instead of its rename number CHANCERY_TEST_KILL_RENAME.
 * Renames are the moments at which files take effect.
 */
let left = Number(process.env['CHANCERY_TEST_KILL_RENAME'])
const { rename } = fs

fs.rename = async (from, to) => {
  if (--left === 0) process.kill(process.pid, 'SIGKILL')
  await rename(from, to)
}
syncBuiltinESMExports()
