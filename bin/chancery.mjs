#!/usr/bin/env node
// Plain JavaScript for any Node.js from 20 on: runs src/main.ts here when this runtime is new enough, else under the
// Node.js that `npm ci` put into node_modules.
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { becomeNode, becomePinnedNode } from './pinned-node.mjs'
import { RUNTIME_FLAGS } from './runtime-flags.mjs'

// The same floor as MINIMUM_NODE in src/app/node-version.ts, which cannot be imported before it is met.
const REQUIRED = [26, 10, 0]

const main = join(dirname(fileURLToPath(import.meta.url)), '..', 'src', 'main.ts')

const words = process.argv.slice(2)
const missing = RUNTIME_FLAGS.filter((flag) => !process.execArgv.includes(flag))
const command = [...process.execArgv, ...missing, main, ...words]

// The flags are read when the runtime starts, so a server that was started without them starts once more.
if (!isNewEnough(process.versions.node)) becomePinnedNode(command)
else if (missing.length > 0 && isServing(words)) becomeNode(process.execPath, command)
else await import(pathToFileURL(main).href)

/** `serve` is the verb when none is given, and it is the one that runs for long. */
function isServing([verb]) {
  return verb === undefined || verb === 'serve' || verb.startsWith('-')
}

function isNewEnough(version) {
  const parts = version.split('.').map(Number)
  for (const [index, wanted] of REQUIRED.entries()) {
    if (parts[index] !== wanted) return parts[index] > wanted
  }
  return true
}
