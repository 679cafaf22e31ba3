import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { MINIMUM_NODE, nodeVersionProblem } from './node-version.ts'

test('KF-F13 the runtime that runs these tests will do, and so will newer ones', () => {
  for (const version of [process.version, 'v26.10.0', 'v26.10.1', 'v26.11.0', '27.0.0'])
    assert.equal(nodeVersionProblem(version), undefined, version)
})

test('KF-F13 a runtime below the patch level, of another line, or that cannot be judged is refused with what to run', () => {
  for (const version of [
    'v26.9.9',
    'v26.0.0',
    'v25.9.0',
    'v24.14.1',
    'v20.20.2',
    'v27.0.0-nightly20260401',
    'bun',
    '',
  ]) {
    assert.match(nodeVersionProblem(version) ?? '', /npm start/, version)
  }
})

test('the launcher asks for the same version, and package.json pins one that is new enough', async () => {
  const launcher = await readFile(new URL('../../bin/chancery.mjs', import.meta.url), 'utf8')
  const { major, minor, patch } = MINIMUM_NODE[0]
  assert.ok(launcher.includes(`const REQUIRED = [${major}, ${minor}, ${patch}]`))
  const manifest = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8')) as {
    optionalDependencies: Record<string, string>
  }
  for (const version of Object.values(manifest.optionalDependencies))
    assert.equal(nodeVersionProblem(version), undefined)
})
