import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { parse } from 'yaml'
import { RUNTIME_FLAGS } from '../../bin/runtime-flags.mjs'
import { runCli } from '../../src/cli/run.ts'
import { run } from '../support/program.ts'

let home: string
before(async () => {
  home = await mkdtemp(join(tmpdir(), 'chancery-cli-'))
})
after(() => rm(home, { recursive: true, force: true }))

async function cli(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  const out: string[] = []
  const err: string[] = []
  const code = await runCli(argv, {
    env: { CHANCERY_HOME: home },
    cwd: '/',
    out: (line) => out.push(line),
    err: (line) => err.push(line),
  })
  return { code, out: out.join('\n'), err: err.join('\n') }
}

test('help lists every command, and every command has its own', async () => {
  const { code, out } = await cli('--help')
  assert.equal(code, 0)
  const names = [
    'serve',
    'init',
    'check',
    'root',
    'eab create',
    'eab list',
    'eab revoke',
    'explain',
    'limits list',
    'limits clear',
    'config show',
    'config schema',
    'version',
    'help',
  ]
  for (const name of names) {
    assert.ok(out.includes(`\n  ${name} `), name)
    const own = await cli(...name.split(' '), '--help')
    assert.equal(own.code, 0, name)
    if (name !== 'help') assert.ok(own.out.startsWith(`Usage: chancery ${name}`), own.out)
  }
  assert.equal((await cli('help')).out, out)
  assert.equal((await cli('-h')).out, out)
})

const WRONG: [string[], RegExp][] = [
  [['srve'], /did you mean serve\?/],
  [['eab', 'crate'], /eab needs one more word: eab create, eab list, eab show/],
  [['check', '--confg', 'x'], /check has no flag --confg; did you mean --config\?/],
  [['check', '--config'], /--config needs a value/],
  [['root', '--pem=yes'], /--pem takes no value/],
  [['check', '--config', 'a', '--config', 'b'], /--config was given twice/],
  [['check', 'now'], /check does not take "now"/],
  [['eab', 'revoke'], /needs key-id/],
  [['init', '--root', 'x.pem'], /--root goes with --import-issuer/],
  [['init', '--issuer', '../x'], /--issuer takes/],
]

for (const [argv, expected] of WRONG) {
  test(`KF-G06 \`chancery ${argv.join(' ')}\` ends with code 2 and says how to put it right`, async () => {
    const { code, err } = await cli(...argv)
    assert.match(err, expected)
    assert.equal(code, 2)
  })
}

test('KF-G06 an unknown key in the file ends with code 1, naming key, file and line', async () => {
  const file = join(home, 'wrong.yaml')
  await writeFile(file, 'log:\n  level: info\nlimit:\n  enabled: false\n')
  const { code, err } = await cli('config', 'show', '--config', file)
  assert.equal(code, 1)
  assert.match(err, /wrong\.yaml:3: unknown key limit; did you mean limits\?/)
})

test('flags may stand before the verb', async () => {
  const { code, out } = await cli('--set', 'log.level=debug', 'config', 'show')
  assert.equal(code, 0)
  assert.equal(parse(out).log.level, 'debug')
})

test('what config show prints can be used as a configuration, and means the same', async () => {
  const first = await cli(
    'config',
    'show',
    '--set',
    'policies.default.allow.dns=**.corp.example',
    '--set',
    'tls.names=[ca.internal]',
  )
  const file = join(home, 'shown.yaml')
  await writeFile(file, first.out)
  const second = await cli('config', 'show', '--config', file)
  assert.equal(second.code, 0, second.err)
  assert.equal(second.out, first.out)
})

test('config schema prints JSON Schema in which nothing unknown is allowed', async () => {
  const { out } = await cli('config', 'schema')
  const schema = JSON.parse(out) as {
    $schema: string
    additionalProperties: boolean
    properties: Record<string, unknown>
  }
  assert.match(schema.$schema, /json-schema\.org/)
  assert.equal(schema.additionalProperties, false)
  assert.ok(schema.properties['publicUrl'])
})

test('commands that need a CA say that there is none yet', async () => {
  const root = await cli('root')
  assert.equal(root.code, 1)
  assert.match(root.err, /the first start makes one/)
})

test('the launcher runs on the Node.js that bootstraps npm, and passes the exit code on', async () => {
  const launcher = fileURLToPath(new URL('../../bin/chancery.mjs', import.meta.url))
  const shown = await run(process.execPath, [launcher, 'version'])
  assert.equal(shown.code, 0, shown.stderr)
  assert.match(shown.stdout, /^chancery \d+\.\d+\.\d+ \(Node\.js \d+/)
  assert.equal((await run(process.execPath, [launcher, 'srve'])).code, 2)
  // Without its flags the server is a process of its own, which is to look like this one.
  const helped = await run(process.execPath, [launcher, '--help'])
  assert.equal(helped.code, 0, helped.stderr)
  assert.match(helped.stdout, /serve/)
  assert.equal((await run(process.execPath, [launcher, 'serve', '--no-such-option'])).code, 2)
})

test('npm start gives the flags that the launcher would add, so that it need not start the server twice', async () => {
  const manifest = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8')) as {
    scripts: { start: string }
  }
  assert.equal(manifest.scripts.start, ['node', ...RUNTIME_FLAGS, 'bin/chancery.mjs'].join(' '))
})
