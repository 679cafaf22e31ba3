import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { stringify } from 'yaml'
import { runCli } from '../../src/cli/run.ts'
import { knownKeys } from '../../src/config/known-keys.ts'
import { AcmeTestClient } from '../support/acme-test-client.ts'
import { runChancery, startTestChancery } from '../support/chancery.ts'

let home: string
before(async () => {
  home = await mkdtemp(join(tmpdir(), 'chancery-config-'))
})
after(() => rm(home, { recursive: true, force: true }))

async function configShow(...argv: string[]): Promise<{ code: number; err: string }> {
  const err: string[] = []
  const code = await runCli(['config', 'show', ...argv], {
    env: { CHANCERY_HOME: home },
    cwd: home,
    out: () => {},
    err: (line) => err.push(line),
  })
  return { code, err: err.join('\n') }
}

/** `a.b.<name>.c` as nested objects, with a name of the operator's choice. */
function nested(path: string): { yaml: string; last: string } {
  const parts = path.replaceAll('<name>', 'default').split('.')
  const document = parts.reduceRight<unknown>((inner, part) => ({ [part]: inner }), 1)
  return { yaml: stringify(document), last: parts.at(-1) ?? '' }
}

test('KF-G06 each key of the configuration, misspelt in any of three ways, is refused by name, in a file and on the command line', async () => {
  const keys = knownKeys().filter((key) => !key.endsWith('>'))
  assert.ok(keys.length > 40)
  const file = join(home, 'typo.yaml')
  for (const key of keys) {
    const typos = [key.slice(0, -1), `${key}s`, key.replace(/[a-z](?=[^.]*$)/, (letter) => letter.toUpperCase())]
    for (const typo of typos) {
      if (keys.some((known) => known === typo || known.startsWith(`${typo}.`))) continue
      const { yaml, last } = nested(typo)
      await writeFile(file, yaml)
      const byFile = await configShow('--config', file)
      assert.equal(byFile.code, 1, typo)
      assert.ok(byFile.err.includes(last), `${typo}: ${byFile.err}`)
      assert.match(byFile.err, /unknown key/, typo)
      const bySet = await configShow('--set', `${typo.replaceAll('<name>', 'default')}=1`)
      assert.notEqual(bySet.code, 0, typo)
      assert.ok(bySet.err.includes(last), `${typo}: ${bySet.err}`)
    }
  }
})

test('KF-G06 a misspelt key stops the start before anything is made', async () => {
  const folder = join(home, 'untouched')
  const { code, stdout, stderr } = await runChancery(['--set', 'limits.enabeld=false'], { home: folder })
  assert.equal(code, 1, stdout + stderr)
  assert.match(stderr, /limits\.enabled/)
  assert.equal(stdout.includes('"event":"ready"'), false)
  await assert.rejects(readdir(folder))
})

/** What orders for these names are answered. */
async function askFor(set: readonly string[], names: readonly string[]): Promise<Record<string, string>> {
  const chancery = await startTestChancery({ set })
  const client = new AcmeTestClient({ directoryUrl: chancery.urls.directory, ca: chancery.rootPem })
  try {
    assert.equal((await client.newAccount()).status, 201)
    const answers: Record<string, string> = {}
    for (const name of names) {
      const reply = await client.newOrder([name])
      answers[name] = reply.status === 201 ? 'taken' : (String(reply.json.type).split(':').at(-1) ?? '')
    }
    return answers
  } finally {
    client.close()
    await chancery.stop()
  }
}

test('KF-G05 a first start takes orders for names that no public CA can certify, and for nothing else', async () => {
  const lab = [
    'a.internal',
    'a.test',
    '*.a.test',
    'a.localhost',
    'a.home.arpa',
    '10.0.0.1',
    '127.0.0.1',
    'fd00::1',
    '::1',
  ]
  const others = [
    'example.com',
    'a.corp',
    '*.com',
    'test',
    'localhost',
    'internal',
    'a.test.com',
    'xtest',
    '8.8.8.8',
    '100.64.0.1',
    '169.254.169.254',
    '2001:db8::1',
  ]
  const answers = await askFor([], [...lab, ...others])
  for (const name of lab) assert.equal(answers[name], 'taken', name)
  for (const name of others) assert.notEqual(answers[name], 'taken', name)
})

test('KF-G05 a policy that allows nothing issues nothing', async () => {
  const set = ['policies.default.allow.dns=[]', 'policies.default.allow.ip=[]']
  const answers = await askFor(set, ['a.test', 'a.localhost', '10.0.0.1', '::1'])
  assert.deepEqual([...new Set(Object.values(answers))], ['rejectedIdentifier'])
})
