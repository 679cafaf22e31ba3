import { ipAddressBytes } from '../lib/ip-address.ts'

/** An address and perhaps a port, as they stand in the configuration or come from the system. */
export interface Endpoint {
  readonly bytes: Buffer
  /** Absent when the text names none. */
  readonly port?: number
}

/**
 * Reads `1.2.3.4`, `1.2.3.4:53`, `2001:db8::1`, `[2001:db8::1]` and `[2001:db8::1]:53`. Without brackets an IPv6
 * address has no port. Anything else, a zone id or a name included, is undefined.
 */
export function parseEndpoint(text: string): Endpoint | undefined {
  const bracketed = /^\[([^\]]*)\](?::(\d{1,5}))?$/.exec(text)
  if (bracketed !== null) return endpoint(bracketed[1] ?? '', bracketed[2], 16)
  const dotted = /^([0-9.]+):(\d{1,5})$/.exec(text)
  if (dotted !== null) return endpoint(dotted[1] ?? '', dotted[2], 4)
  return endpoint(text, undefined, undefined)
}

function endpoint(address: string, port: string | undefined, length: 4 | 16 | undefined): Endpoint | undefined {
  const bytes = ipAddressBytes(address)
  if (bytes === undefined || (length !== undefined && bytes.length !== length)) return undefined
  if (port === undefined) return { bytes }
  const number = Number(port)
  return number >= 1 && number <= 65535 ? { bytes, port: number } : undefined
}

/** Writes address and port so that they can be told apart: `192.0.2.1:80`, `[2001:db8::1]:80`. */
export function formatEndpoint(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
}
