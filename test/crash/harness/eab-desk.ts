import { runCli } from '../../../src/cli/run.ts'
import type { EabKey } from './visit.ts'

/**
 * External account keys, made as an operator does it: by the command, beside the running server.
 *
 * @throws {Error} with what the command said
 */
export async function makeEabKeys(home: string, settings: readonly string[], count: number): Promise<EabKey[]> {
  const keys: EabKey[] = []
  while (keys.length < count) {
    const lines: string[] = []
    const around = {
      env: { CHANCERY_HOME: home },
      cwd: home,
      out: (line: string) => void lines.push(line),
      err: (line: string) => void lines.push(line),
    }
    const set = settings.flatMap((text) => ['--set', text])
    const code = await runCli(['eab', 'create', '--directory', 'bound', ...set], around)
    const text = lines.join('\n')
    const id = /Key id: +(\S+)/.exec(text)?.[1]
    const macKey = /MAC key: +(\S+)/.exec(text)?.[1]
    if (code !== 0 || id === undefined || macKey === undefined) throw new Error(`eab create: ${code} ${text}`)
    keys.push({ id, macKey: Buffer.from(macKey, 'base64url') })
  }
  return keys
}
