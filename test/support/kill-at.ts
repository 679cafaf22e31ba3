import { appendFileSync } from 'node:fs'
import { createRequire, syncBuiltinESMExports } from 'node:module'
import { StatementSync } from 'node:sqlite'

/**
 * Loaded before the server by `--import`, to end it as a power cut would, at an exact place:
 * `CHANCERY_TEST_KILL="before order.created"` kills the process in front of the first commit that holds this audit
 * event, `after` behind it, when nobody has heard of the commit yet. `CHANCERY_TEST_SIGNED` names a file that gets
 * every message that was signed, in hex, a line each, before the signature is used.
 */
const [when, event] = (process.env['CHANCERY_TEST_KILL'] ?? '').split(' ')
const signedFile = process.env['CHANCERY_TEST_SIGNED']

const run = StatementSync.prototype.run
let isDue = false
StatementSync.prototype.run = function (this: StatementSync, ...parameters: unknown[]) {
  if (this.sourceSQL.includes('INSERT INTO audit_events') && parameters.includes(event)) isDue = true
  const isLast = isDue && this.sourceSQL === 'COMMIT'
  if (isLast && when === 'before') process.kill(process.pid, 'SIGKILL')
  const result = Reflect.apply(run, this, parameters)
  if (isLast && when === 'after') process.kill(process.pid, 'SIGKILL')
  return result
} as unknown as typeof run

if (signedFile !== undefined) {
  const crypto = createRequire(import.meta.url)('node:crypto') as { sign: (...parameters: unknown[]) => unknown }
  const sign = crypto.sign
  crypto.sign = (...parameters) => {
    appendFileSync(signedFile, `${Buffer.from(parameters[1] as Uint8Array).toString('hex')}\n`)
    return sign(...parameters)
  }
  syncBuiltinESMExports()
}
