/** RFC 7468 strict PEM: 64 columns, LF, one newline at the end, nothing before, between or after (CQ-C02). */
export function encodePem(label: string, der: Uint8Array): string {
  const body = Buffer.from(der.buffer, der.byteOffset, der.byteLength).toString('base64')
  let lines = ''
  for (let i = 0; i < body.length; i += 64) lines += `${body.slice(i, i + 64)}\n`
  return `-----BEGIN ${label}-----\n${lines}-----END ${label}-----\n`
}

export interface PemBlock {
  label: string
  der: Buffer
}

/**
 * Reads every PEM block of a file an operator gave us. Text outside of blocks is refused, as are headers and
 * a body that is not canonical base64, because such a file becomes a trust anchor or a key.
 *
 * @throws {Error} naming the line
 */
export function decodePem(text: string): PemBlock[] {
  const blocks: PemBlock[] = []
  let label: string | undefined
  let body = ''
  for (const [index, raw] of text.split('\n').entries()) {
    const line = raw.endsWith('\r') ? raw.slice(0, -1) : raw
    const where = `PEM line ${index + 1}`
    if (label === undefined) {
      if (line === '') continue
      if (!line.startsWith('-----BEGIN ') || !line.endsWith('-----'))
        throw new Error(`${where}: text outside of a PEM block`)
      label = line.slice(11, -5)
      body = ''
    } else if (line.startsWith('-----END ')) {
      if (line !== `-----END ${label}-----`) throw new Error(`${where}: the block began as ${label}`)
      const der = Buffer.from(body, 'base64')
      if (der.length === 0 || der.toString('base64') !== body)
        throw new Error(`${where}: the body is not canonical base64`)
      blocks.push({ label, der })
      label = undefined
    } else {
      body += line
    }
  }
  if (label !== undefined) throw new Error(`PEM: the block ${label} has no end`)
  return blocks
}
