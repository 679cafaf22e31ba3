import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { parseTbsCertificate } from '../../../src/x509/certificate.ts'

/** What the server's keys have signed, read from the file that the hook in the server writes; every leaf once. */
export class Signatures {
  readonly #path: string
  #offset = 0
  #rest = ''
  /** Serial to the one message that may ever be signed under it. */
  readonly #bySerial = new Map<string, string>()
  /** Leaves signed so far, repeats of the same bytes included. */
  count = 0

  constructor(path: string) {
    this.#path = path
  }

  /** The leaves signed since the last call; a repeat of the same bytes is nothing new. */
  readNew(onConflict: (serial: string) => void): { serial: string; tbsHex: string }[] {
    const found: { serial: string; tbsHex: string }[] = []
    for (const line of this.#newLines()) {
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

  #newLines(): string[] {
    let file: number
    try {
      file = openSync(this.#path, 'r')
    } catch {
      return []
    }
    try {
      const bytes = Buffer.alloc(fstatSync(file).size - this.#offset)
      this.#offset += readSync(file, bytes, 0, bytes.length, this.#offset)
      const lines = (this.#rest + bytes.toString()).split('\n')
      this.#rest = lines.pop() ?? ''
      return lines
    } finally {
      closeSync(file)
    }
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
