import { type ExecFileOptions, execFile } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import type { TestContext } from 'node:test'

/** Where a system program is, looked for on PATH; undefined when it is not installed. */
export function findProgram(name: string): string | undefined {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    const path = join(folder, name)
    try {
      accessSync(path, constants.X_OK)
      return path
    } catch {
      // not here; the next folder may have it
    }
  }
  return undefined
}

/**
 * The path of a system program that a test needs. Where it is missing the test says `skipped` with the program's
 * name; with CHANCERY_TEST_NO_SKIP=1 (set by .ci/run, which installs them all) it fails instead.
 */
export function needProgram(t: TestContext, name: string): string | undefined {
  const path = findProgram(name)
  if (path !== undefined) return path
  if (process.env['CHANCERY_TEST_NO_SKIP'] === '1')
    throw new Error(`${name} is not installed, and nothing may be skipped here`)
  t.skip(`${name} is not installed`)
  return undefined
}

export interface Ran {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs a program to its end, never through a shell. A non-zero exit is a value, so that tests can show the output. */
export function run(
  file: string,
  args: readonly string[],
  options: ExecFileOptions & { input?: string } = {},
): Promise<Ran> {
  const { input, ...rest } = options
  return new Promise((resolve, reject) => {
    const child = execFile(
      file,
      [...args],
      { maxBuffer: 16 << 20, timeout: 120_000, ...rest, encoding: 'utf8' },
      (error, stdout, stderr) => {
        if (error !== null && typeof error.code === 'string') return reject(error)
        const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1
        resolve({ code, stdout: String(stdout), stderr: String(stderr) })
      },
    )
    child.stdin?.on('error', () => {})
    child.stdin?.end(input ?? '')
  })
}
