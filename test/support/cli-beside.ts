import { runCli } from '../../src/cli/run.ts'

export interface CliResult {
  readonly code: number
  readonly out: string
  readonly err: string
}

/** Runs commands in this process, beside the server of a state folder, with the settings of that server. */
export function cliBeside(home: string, set: readonly string[] = []) {
  return async (...argv: readonly string[]): Promise<CliResult> => {
    const [out, err]: [string[], string[]] = [[], []]
    const code = await runCli([...argv, ...set.flatMap((text) => ['--set', text])], {
      env: { CHANCERY_HOME: home },
      cwd: home,
      out: (line) => void out.push(line),
      err: (line) => void err.push(line),
    })
    return { code, out: out.join('\n'), err: err.join('\n') }
  }
}

/** What `eab create` and `eab rotate` hand out. */
export function handedOut({ out }: CliResult): { readonly id: string; readonly macKey: Buffer } {
  const id = /Key id: +(\S+)/.exec(out)?.[1]
  const macKey = /MAC key: +([\w-]{43}) /.exec(out)?.[1]
  if (id === undefined || macKey === undefined) throw new Error(`no key was handed out: ${out}`)
  return { id, macKey: Buffer.from(macKey, 'base64url') }
}
