import { DnsError } from './dns-error.ts'
import { encodeName, readName } from './name.ts'

/** Record types by number (IANA DNS parameters). */
export const RECORD_TYPES = { A: 1, CNAME: 5, TXT: 16, AAAA: 28, CAA: 257 } as const
export type RecordType = keyof typeof RECORD_TYPES

const OPT = 41
const CLASS_IN = 1
const HEADER_OCTETS = 12
const MAX_RECORDS = 1024
/** What we let a server send by UDP: fits an unfragmented packet nearly everywhere (DNS Flag Day 2020). */
const UDP_PAYLOAD = 1232

export const RCODE = { NOERROR: 0, FORMERR: 1, SERVFAIL: 2, NXDOMAIN: 3, NOTIMP: 4, REFUSED: 5 } as const

export interface Question {
  /** As sent, with its mixture of cases. */
  readonly name: string
  readonly type: RecordType
}

export type DnsRecord = { readonly name: string; readonly ttl: number } & (
  | { readonly type: 'A'; readonly address: Buffer }
  | { readonly type: 'AAAA'; readonly address: Buffer }
  | { readonly type: 'CNAME'; readonly target: string }
  /** The character-strings of one record, joined (RFC 8555 §8.4). */
  | { readonly type: 'TXT'; readonly text: Buffer }
  | { readonly type: 'CAA'; readonly data: Buffer }
)

export interface DnsMessage {
  readonly id: number
  readonly isResponse: boolean
  /** TC: there is more, and what is here must not be used; `answers` is empty then (KF-A03). */
  readonly truncated: boolean
  /** AD: the server says that it validated the answer (RFC 6840 §5.8). */
  readonly authenticated: boolean
  /** With the upper bits of EDNS (RFC 6891 §6.1.3). */
  readonly rcode: number
  readonly question: { readonly name: string; readonly type: number; readonly class: number }
  /** Records of the answer section, class IN, of the types above; others are left out. */
  readonly answers: readonly DnsRecord[]
}

/**
 * A question to a recursive resolver: RD, AD (tell us about validation), and unless `plain` an OPT record with DO
 * (RFC 6891, RFC 3225).
 */
export function encodeQuery(id: number, question: Question, options: { readonly plain?: boolean } = {}): Buffer {
  const header = Buffer.alloc(HEADER_OCTETS)
  header.writeUInt16BE(id, 0)
  header.writeUInt16BE(0x0120, 2)
  header.writeUInt16BE(1, 4)
  const tail = Buffer.alloc(4)
  tail.writeUInt16BE(RECORD_TYPES[question.type], 0)
  tail.writeUInt16BE(CLASS_IN, 2)
  if (options.plain === true) return Buffer.concat([header, encodeName(question.name), tail])
  header.writeUInt16BE(1, 10)
  const opt = Buffer.alloc(11)
  opt.writeUInt16BE(OPT, 1)
  opt.writeUInt16BE(UDP_PAYLOAD, 3)
  opt.writeUInt32BE(0x00008000, 5)
  return Buffer.concat([header, encodeName(question.name), tail, opt])
}

/**
 * Reads a message with exactly one question. Total: any bytes give a message or a `DnsError` (KF-F09), in work
 * bounded by their length and 1024 records.
 *
 * @throws {DnsError} `malformed`
 */
export function decodeMessage(bytes: Buffer): DnsMessage {
  if (bytes.length < HEADER_OCTETS) throw new DnsError('malformed', 'the message is shorter than its header')
  const flags = bytes.readUInt16BE(2)
  if (((flags >> 11) & 0xf) !== 0) throw new DnsError('malformed', 'the message is not a standard query or its answer')
  if (bytes.readUInt16BE(4) !== 1) throw new DnsError('malformed', 'the message does not have exactly one question')
  const counts = [bytes.readUInt16BE(6), bytes.readUInt16BE(8), bytes.readUInt16BE(10)] as const
  if (counts[0] + counts[1] + counts[2] > MAX_RECORDS) {
    throw new DnsError('malformed', `the message has more than ${MAX_RECORDS} records`)
  }
  const name = readName(bytes, HEADER_OCTETS)
  if (name.next + 4 > bytes.length) throw new DnsError('malformed', 'the question runs past the end of the message')
  const head = {
    id: bytes.readUInt16BE(0),
    isResponse: (flags & 0x8000) !== 0,
    authenticated: (flags & 0x20) !== 0,
    question: { name: name.text, type: bytes.readUInt16BE(name.next), class: bytes.readUInt16BE(name.next + 2) },
  }
  const rcode = flags & 0xf
  if ((flags & 0x0200) !== 0) return { ...head, truncated: true, rcode, answers: [] }
  const { answers, extendedRcode } = readRecords(bytes, name.next + 4, counts)
  return { ...head, truncated: false, rcode: (extendedRcode << 4) | rcode, answers }
}

function readRecords(
  bytes: Buffer,
  start: number,
  counts: readonly [number, number, number],
): { answers: DnsRecord[]; extendedRcode: number } {
  const answers: DnsRecord[] = []
  let extendedRcode = 0
  let hasOpt = false
  let at = start
  for (const [section, count] of counts.entries()) {
    for (let i = 0; i < count; i++) {
      const name = readName(bytes, at)
      const data = name.next + 10
      if (data > bytes.length) throw new DnsError('malformed', 'a record runs past the end of the message')
      const type = bytes.readUInt16BE(name.next)
      const end = data + bytes.readUInt16BE(name.next + 8)
      if (end > bytes.length) throw new DnsError('malformed', 'a record runs past the end of the message')
      if (type === OPT && section === 2) {
        if (hasOpt) throw new DnsError('malformed', 'the message has two OPT records')
        hasOpt = true
        extendedRcode = bytes.readUInt8(name.next + 4)
      } else if (section === 0 && bytes.readUInt16BE(name.next + 2) === CLASS_IN) {
        const ttl = bytes.readUInt32BE(name.next + 4)
        const record = readRecord({ name: name.text, ttl: ttl > 0x7fffffff ? 0 : ttl }, type, bytes, data, end)
        if (record !== undefined) answers.push(record)
      }
      at = end
    }
  }
  if (at !== bytes.length) throw new DnsError('malformed', 'the message has bytes after its last record')
  return { answers, extendedRcode }
}

function readRecord(
  base: { name: string; ttl: number },
  type: number,
  bytes: Buffer,
  start: number,
  end: number,
): DnsRecord | undefined {
  switch (type) {
    case RECORD_TYPES.A:
      if (end - start !== 4) throw new DnsError('malformed', 'an A record does not have 4 octets')
      return { ...base, type: 'A', address: Buffer.from(bytes.subarray(start, end)) }
    case RECORD_TYPES.AAAA:
      if (end - start !== 16) throw new DnsError('malformed', 'an AAAA record does not have 16 octets')
      return { ...base, type: 'AAAA', address: Buffer.from(bytes.subarray(start, end)) }
    case RECORD_TYPES.CNAME: {
      const target = readName(bytes, start)
      if (target.next !== end) throw new DnsError('malformed', 'a CNAME record holds more or less than one name')
      return { ...base, type: 'CNAME', target: target.text }
    }
    case RECORD_TYPES.TXT:
      return { ...base, type: 'TXT', text: readCharacterStrings(bytes.subarray(start, end)) }
    case RECORD_TYPES.CAA:
      return { ...base, type: 'CAA', data: Buffer.from(bytes.subarray(start, end)) }
    default:
      return undefined
  }
}

function readCharacterStrings(data: Buffer): Buffer {
  if (data.length === 0) throw new DnsError('malformed', 'a TXT record holds no character-string')
  const parts: Buffer[] = []
  for (let at = 0; at < data.length; ) {
    const end = at + 1 + data.readUInt8(at)
    if (end > data.length) throw new DnsError('malformed', 'a character-string runs past the end of its record')
    parts.push(data.subarray(at + 1, end))
    at = end
  }
  return Buffer.concat(parts)
}
