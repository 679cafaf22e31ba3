import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { freePorts, type SpawnedChancery, spawnChancery } from '../support/chancery.ts'
import { needProgram, run } from '../support/program.ts'

let chancery: SpawnedChancery
let folder: string

before(async () => {
  const [port] = await freePorts(1)
  folder = await mkdtemp(join(tmpdir(), 'chancery-first-'))
  chancery = await spawnChancery({ set: [`validation.http01.port=${port}`] })
  // The words for people come after the ready line.
  while (!chancery.stderr().includes('--ca-bundle') && chancery.child.stderr !== null)
    await once(chancery.child.stderr, 'data')
})

after(async () => {
  await chancery?.stop()
  await chancery?.cleanup()
  await rm(folder, { recursive: true, force: true })
})

/** The command for a client as the first start prints it, joined to one line. */
function printedCommand(client: string): string {
  const text = chancery.stderr().replace(/ \\\n\s+/g, ' ')
  const line = text.split('\n').find((one) => one.trimStart().startsWith('env ') && one.includes(` ${client} `))
  assert.ok(line, `no command for ${client} in:\n${text}`)
  return line.trim()
}

async function assertIssued(pemFile: string): Promise<void> {
  const { code, stdout, stderr } = await run('openssl', [
    'verify',
    '-CAfile',
    join(chancery.home, 'root.pem'),
    '-untrusted',
    pemFile,
    pemFile,
  ])
  assert.equal(code, 0, stdout + stderr)
}

test('the printed lego command gets a certificate', async (t) => {
  if (needProgram(t, 'lego') === undefined || needProgram(t, 'openssl') === undefined) return
  const { code, stderr } = await run('sh', ['-c', printedCommand('lego')], { cwd: folder })
  assert.equal(code, 0, stderr)
  await assertIssued(join(folder, '.lego', 'certificates', 'demo.localhost.crt'))
})

test('the printed certbot command gets a certificate', async (t) => {
  if (needProgram(t, 'certbot') === undefined || needProgram(t, 'openssl') === undefined) return
  // Its own folders, so that a test never touches those of the system.
  const own = ['config', 'work', 'logs'].map((name) => `--${name}-dir ${join(folder, name)}`).join(' ')
  const { code, stderr } = await run('sh', ['-c', `${printedCommand('certbot')} ${own}`], { cwd: folder })
  assert.equal(code, 0, stderr)
  const chain = join(folder, 'config', 'live', 'demo.localhost', 'fullchain.pem')
  await assertIssued(chain)
  assert.match(await readFile(chain, 'utf8'), /BEGIN CERTIFICATE/)
})
