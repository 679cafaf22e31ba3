import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { profileTable } from '../../src/app/directories.ts'
import { readConfig } from '../../src/config/read.ts'
import { readPolicy } from '../../src/policy/language/read-policy.ts'
import { startJourney } from '../support/acme-journey.ts'
import { runCommand } from '../support/cli.ts'
import { accountRecord, auditEvent, eabKeyRecord } from '../support/records.ts'
import { generateTestKey } from '../support/test-keys.ts'

const DOCS = new URL('../../docs/', import.meta.url)
const POLICIES = fileURLToPath(new URL('policies/', DOCS))

const read = (name: string): Promise<string> => readFile(new URL(name, DOCS), 'utf8')

interface Example {
  readonly command: string
  readonly code: number
  /** What stands below the command; `…` is any text. */
  readonly lines: readonly string[]
}

/** Blocks of a shell: `$ chancery …`, with the lines that it prints; a comment says when the exit code is not 0. */
function examplesIn(page: string): Example[] {
  const examples: { command: string; code: number; lines: string[] }[] = []
  for (const [, block = ''] of page.matchAll(/^```console\n(.*?)^```$/gmsu)) {
    for (const line of block.trimEnd().split('\n')) {
      const [, command, code = '0'] = /^\$ chancery (.*?)(?: +# exit code (\d))?$/.exec(line) ?? []
      if (command !== undefined) examples.push({ command, code: Number(code), lines: [] })
      else examples.at(-1)?.lines.push(line)
    }
  }
  return examples
}

function assertPrints(out: string, { command, lines }: Example): void {
  const printed = out.split('\n')
  for (const line of lines) {
    const fits = printed.some((one) => {
      let at = 0
      const parts = line.split('…')
      return parts.every((part, index) => {
        const found = index === 0 ? (one.startsWith(part) ? 0 : -1) : one.indexOf(part, at)
        at = found + part.length
        return found >= 0 && (index < parts.length - 1 || part === '' || at === one.length || index === 0)
      })
    })
    assert.ok(fits, `chancery ${command}\nshould print: ${line}\nprinted:\n${out}`)
  }
}

test('the guide to a first policy: every file in it is good, and every command does what stands below it', async () => {
  const page = await read('policy-guide.md')
  const home = await mkdtemp(join(tmpdir(), 'chancery-guide-'))
  try {
    const files = [...page.matchAll(/^```yaml\n(# (\S+\.yaml)\n.*?)^```$/gmsu)]
    assert.deepEqual(
      files.map(([, , name]) => name),
      ['first.yaml', 'second.yaml', 'third.yaml', 'devices.yaml', 'next.yaml'],
    )
    for (const [, text = '', name = ''] of files) {
      await writeFile(join(home, name), text)
      const tested = await runCommand(['policy', 'test', name], { home, cwd: home })
      assert.equal(tested.code, 0, `${name}: ${tested.out}${tested.err}`)
    }
    const configuration = /^```yaml\n(policy:\n.*?)^```$/msu.exec(page)?.[1] ?? assert.fail('no configuration')
    await writeFile(join(home, 'chancery.yaml'), configuration)
    const { values, close } = await liveTheStory(home)
    try {
      const examples = examplesIn(page)
      assert.ok(examples.length >= 8)
      for (const example of examples) {
        const filled = { ...example, lines: example.lines.map((line) => fill(line, values)) }
        const argv = fill(example.command, values).split(' ')
        const { code, out, err } = await runCommand(argv, { home, cwd: home })
        assert.equal(code, example.code, `${example.command}\n${out}\n${err}`)
        assertPrints(out, filled)
      }
    } finally {
      await close()
    }
  } finally {
    await rm(home, { recursive: true, force: true })
  }
})

function fill(text: string, values: Readonly<Record<string, string>>): string {
  return text.replace(/<(\w+)>/g, (whole, name: string) => values[name] ?? whole)
}

/** What the guide tells of: team A gets a certificate for a database, and asks for a name of team B in vain. */
async function liveTheStory(home: string) {
  const journey = await startJourney({ home })
  const now = new Date()
  const { store } = journey.chancery
  const eab = eabKeyRecord(now, { groups: ['team-a'] })
  await store.eabKeys.create(eab, auditEvent(now, 'eab-key.created'))
  const key = generateTestKey('ES256')
  const { thumbprint } = key
  const account = accountRecord(now, { jwk: key.jwk as never, thumbprint, eabKeyId: eab.id })
  await store.accounts.create(account, { now, eab: eab.id, audit: auditEvent(now, 'account.created') })
  const client = journey.client({ key })
  assert.equal((await client.newAccount()).status, 200, 'the account is there')
  await journey.issue(client, ['db.a.corp.example'])
  const refused = await client.newOrder(['www.b.corp.example'])
  const reference = /req_[\w-]{22}/.exec(refused.json.detail)?.[0] ?? assert.fail(refused.text)
  return { values: { reference, account: account.id }, close: () => journey.close() }
}

test('the ten worked policies are good as they stand, with the profiles beside them', async () => {
  const names = (await readdir(POLICIES)).filter((name) => name.endsWith('.yaml') && name !== 'chancery.yaml')
  assert.equal(names.length, 10)
  const page = await read('policies/README.md')
  const home = await mkdtemp(join(tmpdir(), 'chancery-policies-'))
  try {
    const config = await readConfig({ home, file: join(POLICIES, 'chancery.yaml') })
    for (const name of names) {
      assert.ok(page.includes(`](${name})`), `docs/policies/README.md does not name ${name}`)
      const { file } = await readPolicy(await readFile(join(POLICIES, name), 'utf8'), {
        profiles: profileTable(config),
        directories: new Set(Object.keys(config.directories)),
        now: new Date(),
      })
      assert.ok(file.description !== '', `${name} says what it is for`)
      const expected = new Set(file.tests.map(({ expect }) => expect))
      assert.deepEqual(expected, new Set(['allow', 'deny']), `${name} shows both what is allowed and what is not`)
      const used = new Set(file.tests.map(({ rule }) => rule))
      const untold = file.rules.filter((rule) => !used.has(rule.name))
      const loose = untold.filter(({ effect }) => effect === 'deny')
      assert.deepEqual(loose, [], `${name} has denying rules that no test shows`)
    }
  } finally {
    await rm(home, { recursive: true, force: true })
  }
})

test('the command in the list of worked policies works from a clone', async () => {
  const [example] = examplesIn(await read('policies/README.md'))
  assert.ok(example)
  const cwd = fileURLToPath(new URL('..', DOCS))
  const { code, out, err } = await runCommand(example.command.split(' '), { home: '/nonexistent', cwd })
  assert.equal(code, 0, out + err)
})

test('the guide explains every code that a reason can have', async () => {
  const page = await read('policy-guide.md')
  const source = await readFile(new URL('../../src/policy/decision.ts', import.meta.url), 'utf8')
  const codes = /readonly code:\s*((?:\s*\| '[\w-]+')+)/.exec(source)?.[1] ?? assert.fail('no codes')
  const all = [...codes.matchAll(/'([\w-]+)'/g)].map(([, code]) => code)
  assert.ok(all.length >= 12)
  for (const code of all) assert.ok(page.includes(`\`${code}\``), `docs/policy-guide.md does not explain ${code}`)
})
