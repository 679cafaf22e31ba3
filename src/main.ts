import { enableCompileCache } from 'node:module'
import { join } from 'node:path'

// Compiled code is kept beside the installed packages, where only who may change the program may write: the next start
// is faster and smaller. The system's temporary folder, Node's default, would be anybody's. Failing costs nothing.
enableCompileCache(join(import.meta.dirname, '..', 'node_modules', '.cache', 'chancery'))

// Whoever reads may leave in the middle (`| head`): what is left to say then has nowhere to go, and is no reason to die.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE' && error.code !== 'ECONNRESET') throw error
  })
}

const { runCli } = await import('./cli/run.ts')

// Exit codes are set rather than exited with, so that what was written still reaches a pipe.
process.exitCode = await runCli(process.argv.slice(2), {
  env: process.env,
  cwd: process.cwd(),
  out: (line) => void process.stdout.write(`${line}\n`),
  err: (line) => void process.stderr.write(`${line}\n`),
})
