#!/usr/bin/env node
// Plain JavaScript for any Node.js from 20 on: runs src/main.ts here when this runtime is new enough, else under the
// Node.js that `npm ci` put into node_modules.
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { becomePinnedNode } from './pinned-node.mjs'

// The same floor as MINIMUM_NODE in src/app/node-version.ts, which cannot be imported before it is met.
const REQUIRED = [26, 10, 0]

const main = join(dirname(fileURLToPath(import.meta.url)), '..', 'src', 'main.ts')

if (isNewEnough(process.versions.node)) await import(pathToFileURL(main).href)
else becomePinnedNode([...process.execArgv, main, ...process.argv.slice(2)])

function isNewEnough(version) {
  const parts = version.split('.').map(Number)
  for (const [index, wanted] of REQUIRED.entries()) {
    if (parts[index] !== wanted) return parts[index] > wanted
  }
  return true
}
