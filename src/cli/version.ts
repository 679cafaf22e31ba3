import { readFile } from 'node:fs/promises'
import type { Command } from './command.ts'

export const command: Command = {
  run: async (context) => {
    context.out(
      `chancery ${await chanceryVersion()} (Node.js ${process.versions.node}, OpenSSL ${process.versions.openssl})`,
    )
    return 0
  },
}

/** The version in package.json. */
export async function chanceryVersion(): Promise<string> {
  const text = await readFile(new URL('../../package.json', import.meta.url), 'utf8')
  const manifest = JSON.parse(text) as { version: string }
  return manifest.version
}
