import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { parseTbsCertificate } from '../../../src/x509/certificate.ts'

/** What the servers' keys have signed, read from the files that the hook in each server writes; every leaf once. */
export class Signatures {
  readonly #files: readonly { readonly path: string; offset: number; rest: string }[]
  /** Serial to the one message that may ever be signed under it, whoever signs. */
  readonly #bySerial = new Map<string, string>()
  /** Leaves signed so far, repeats of the same bytes included. */
  count = 0

  constructor(paths: readonly string[]) {
    this.#files = paths.map((path) => ({ path, offset: 0, rest: '' }))
  }

  /** The leaves signed since the last call; a repeat of the same bytes is nothing new. */
  readNew(onConflict: (serial: string) => void): { serial: string; tbsHex: string }[] {
    const found: { serial: string; tbsHex: string }[] = []
    for (const line of this.#files.flatMap(newLines)) {
      const serial = serialOf(Buffer.from(line, 'hex'))
      if (serial === undefined) continue
      this.count++
      const known = this.#bySerial.get(serial)
      if (known === line) continue
      if (known !== undefined) onConflict(serial)
      this.#bySerial.set(serial, line)
      found.push({ serial, tbsHex: line })
    }
    return found
  }
}

function newLines(from: { readonly path: string; offset: number; rest: string }): string[] {
  let file: number
  try {
    file = openSync(from.path, 'r')
  } catch {
    return []
  }
  try {
    const bytes = Buffer.alloc(fstatSync(file).size - from.offset)
    from.offset += readSync(file, bytes, 0, bytes.length, from.offset)
    const lines = (from.rest + bytes.toString()).split('\n')
    from.rest = lines.pop() ?? ''
    return lines
  } finally {
    closeSync(file)
  }
}

/** The serial of a leaf; undefined for what else a CA signs. */
function serialOf(message: Buffer): string | undefined {
  try {
    const { serialHex, basicConstraints } = parseTbsCertificate(message)
    return basicConstraints?.ca === true ? undefined : serialHex
  } catch {
    return undefined
  }
}
