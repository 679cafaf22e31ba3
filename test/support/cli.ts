import { runCli } from '../../src/cli/run.ts'
import type { Clock } from '../../src/lib/clock.ts'

/** Runs a command of Chancery in this process, on a state folder that a server may be using. */
export async function runCommand(
  argv: readonly string[],
  at: { readonly home: string; readonly cwd?: string; readonly clock?: Clock },
): Promise<{ code: number; out: string; err: string }> {
  const out: string[] = []
  const err: string[] = []
  const code = await runCli(argv, {
    env: { CHANCERY_HOME: at.home },
    cwd: at.cwd ?? '/',
    out: (line) => out.push(line),
    err: (line) => err.push(line),
    ...(at.clock && { clock: at.clock }),
  })
  return { code, out: out.join('\n'), err: err.join('\n') }
}
