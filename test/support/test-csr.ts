import { sign } from 'node:crypto'
import { isIP } from 'node:net'
import type { TestKey } from './test-keys.ts'

/** A name as a test writes it: plain text is a dns name unless it is an address. */
export type TestIdentifier = string | { readonly type: string; readonly value: string }

export function toIdentifier(name: TestIdentifier): { type: string; value: string } {
  if (typeof name !== 'string') return { type: name.type, value: name.value }
  return { type: isIP(name) ? 'ip' : 'dns', value: name }
}

export interface TestCsrOptions {
  /** A CN in the subject; absent means an empty subject. */
  readonly commonName?: string
  /** Further whole Extension DERs (of the extensionRequest attribute). */
  readonly extensions?: readonly Buffer[]
  /** Whole GeneralName DERs in place of those made from the identifiers. */
  readonly generalNames?: readonly Buffer[]
  /** Leaves the subjectAltName extension out. */
  readonly withoutSan?: boolean
  /** The key that signs, where it is to differ from the key asked for. */
  readonly signWith?: TestKey
}

const SIGNATURE_ALGORITHM = {
  ES256: '300a06082a8648ce3d040302',
  ES384: '300a06082a8648ce3d040303',
  ES512: '300a06082a8648ce3d040304',
  RS256: '300d06092a864886f70d01010b0500',
  EdDSA: '300506032b6570',
} as const
const HASH = { ES256: 'sha256', ES384: 'sha384', ES512: 'sha512', RS256: 'sha256', EdDSA: undefined } as const

/** A PKCS#10 request, written by its own few lines of DER so that it shares no code with what it tests. */
export function buildTestCsr(names: readonly TestIdentifier[], key: TestKey, options: TestCsrOptions = {}): Buffer {
  const subject =
    options.commonName === undefined
      ? der(0x30)
      : der(0x30, der(0x31, der(0x30, Buffer.from('0603550403', 'hex'), der(0x0c, Buffer.from(options.commonName)))))
  const san = der(0x30, ...(options.generalNames ?? names.map((name) => generalName(toIdentifier(name)))))
  const extensions = [...(options.withoutSan ? [] : [testExtension('0603551d11', san)]), ...(options.extensions ?? [])]
  const request = der(0x30, Buffer.from('06092a864886f70d01090e', 'hex'), der(0x31, der(0x30, ...extensions)))
  const attributes = extensions.length === 0 ? der(0xa0) : der(0xa0, request)
  const info = der(0x30, Buffer.from('020100', 'hex'), subject, key.spkiDer, attributes)
  const signer = options.signWith ?? key
  const signature = sign(HASH[signer.algorithm], info, signer.privateKey)
  const algorithm = Buffer.from(SIGNATURE_ALGORITHM[signer.algorithm], 'hex')
  return der(0x30, info, algorithm, der(0x03, Buffer.from([0]), signature))
}

/** An Extension from the hex of its OID (tag and length included) and its value. */
export function testExtension(oidHex: string, value: Buffer, critical = false): Buffer {
  return der(0x30, Buffer.from(oidHex, 'hex'), ...(critical ? [Buffer.from('0101ff', 'hex')] : []), der(0x04, value))
}

function generalName(identifier: { type: string; value: string }): Buffer {
  return identifier.type === 'ip' ? der(0x87, addressBytes(identifier.value)) : der(0x82, Buffer.from(identifier.value))
}

function addressBytes(text: string): Buffer {
  if (isIP(text) === 4) return Buffer.from(text.split('.').map(Number))
  const [head = '', tail] = text.split('::')
  const groups = (part: string): number[] =>
    part === '' ? [] : part.split(':').map((group) => Number.parseInt(group, 16))
  const left = groups(head)
  const right = tail === undefined ? [] : groups(tail)
  const all = [...left, ...new Array<number>(8 - left.length - right.length).fill(0), ...right]
  return Buffer.from(all.flatMap((group) => [group >> 8, group & 0xff]))
}

/** One DER value: tag, minimal length, content. */
export function der(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts)
  const length: number[] = []
  for (let rest = content.length; rest > 0; rest >>>= 8) length.unshift(rest & 0xff)
  const header = content.length < 128 ? [tag, content.length] : [tag, 0x80 | length.length, ...length]
  return Buffer.concat([Buffer.from(header), content])
}
