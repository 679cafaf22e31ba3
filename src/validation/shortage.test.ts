import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'

const here = (file: string): string => JSON.stringify(new URL(file, import.meta.url).href)

/** Dials an address, looks it up by UDP and by TCP, with the last free file taken. Prints what each threw. */
const SCRIPT = `
  import { openSync } from 'node:fs'
  import { createOutbound } from ${here('outbound.ts')}
  import { createEgressPolicy } from ${here('egress.ts')}
  import { newEvidence } from ${here('probe.ts')}
  import { askByTcp, askByUdp } from ${here('dns/transport.ts')}
  import { systemClock } from ${here('../lib/clock.ts')}
  const signal = new AbortController().signal
  const told = async (work) => {
    const error = await work().then(() => 'nothing', (thrown) => thrown)
    console.log(error.constructor.name, error.code ?? error.message)
  }
  const egress = createEgressPolicy({ allow: ['127.0.0.1'], deny: [], ownListeners: () => [] })
  const outbound = createOutbound({ resolver: undefined, egress, clock: systemClock, connectTimeoutMs: 1000 })
  const host = { type: 'ip', address: '127.0.0.1', bytes: Buffer.from([127, 0, 0, 1]) }
  const evidence = newEvidence()
  // What is written here for the first time opens no file later.
  console.log('ready')
  try { for (;;) openSync('/dev/null') } catch (error) { if (error.code !== 'EMFILE') throw error }
  await told(() => outbound.withConnection(host, 9, { signal, evidence }, async () => 'reached'))
  const server = { address: '127.0.0.1', port: 9 }
  await told(() => askByUdp(server, Buffer.alloc(12), () => 'stray', signal))
  await told(() => askByTcp(server, Buffer.alloc(12), () => 'stray', signal))
  console.log(JSON.stringify(evidence.connections.map(({ outcome }) => outcome)))
`

test('running out of open files is told as a fault of this machine, not of who was to be reached', () => {
  const command = 'ulimit -n 128 && exec "$0" --input-type=module -e "$1"'
  const { stdout, stderr } = spawnSync('sh', ['-c', command, process.execPath, SCRIPT], { encoding: 'utf8' })
  assert.deepEqual(
    stdout.trim().split('\n'),
    ['ready', 'Error EMFILE', 'Error EMFILE', 'Error EMFILE', '["could not be connected to (EMFILE)"]'],
    stderr,
  )
})
