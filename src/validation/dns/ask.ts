import type { Random } from '../../lib/random.ts'
import { DnsError } from './dns-error.ts'
import type { DnsMessage, Question } from './message.ts'
import { decodeMessage, encodeQuery, RCODE, RECORD_TYPES } from './message.ts'
import { sameName } from './name.ts'
import type { DnsServer, DnsTransport, Reception } from './transport.ts'
import { socketTransport } from './transport.ts'

/**
 * Puts one question to one server. By UDP the answer must carry our random id and our random mixture of cases
 * (0x20, draft-vixie-dnsext-dns0x20), from the address and to the port of the question; a server that folds the case
 * away, or has more to say than a packet holds (TC, KF-A03), is asked again by TCP, which an off-path attacker
 * cannot forge.
 *
 * @returns an answer with NOERROR or NXDOMAIN
 * @throws {DnsError} for anything else; the signal's reason when aborted
 */
export async function ask(
  server: DnsServer,
  question: Question,
  random: Random,
  signal: AbortSignal,
  transport: DnsTransport = socketTransport,
): Promise<DnsMessage> {
  const askOnce = (plain: boolean): Promise<DnsMessage> =>
    exchange(server, question, { random, signal, transport, plain })
  const answer = await askOnce(false)
  // A server older than EDNS answers FORMERR (RFC 6891 §7); then without it.
  const isOld = answer.rcode === RCODE.FORMERR || answer.rcode === RCODE.NOTIMP
  return checkRcode(isOld ? await askOnce(true) : answer)
}

async function exchange(
  server: DnsServer,
  question: Question,
  how: { random: Random; signal: AbortSignal; transport: DnsTransport; plain: boolean },
): Promise<DnsMessage> {
  const { random, signal, transport, plain } = how
  const id = random.bytes(2).readUInt16BE(0)
  const mixed = { type: question.type, name: mixCase(question.name, random) }
  const query = encodeQuery(id, mixed, { plain })
  const byUdp = await transport.udp(server, query, (packet) => receiveUdp(packet, id, mixed), signal)
  if (byUdp !== 'ask by TCP') return byUdp
  return transport.tcp(server, query, (packet) => receiveTcp(packet, id, mixed), signal)
}

function receiveUdp(packet: Buffer, id: number, asked: Question): Reception<DnsMessage | 'ask by TCP'> {
  // Whose id is another's is not an answer to us, however broken it is beyond that.
  if (packet.length < 2 || packet.readUInt16BE(0) !== id) return 'stray'
  const message = decodeMessage(packet)
  if (!answers(message, asked)) return 'stray'
  if (message.truncated || message.question.name !== asked.name) return { answer: 'ask by TCP' }
  return { answer: message }
}

function receiveTcp(packet: Buffer, id: number, asked: Question): Reception<DnsMessage> {
  const message = decodeMessage(packet)
  if (message.id !== id || !answers(message, asked)) return 'stray'
  if (message.truncated) throw new DnsError('truncated', 'the answer is cut off even by TCP')
  return { answer: message }
}

function answers(message: DnsMessage, asked: Question): boolean {
  const { name, type, class: dnsClass } = message.question
  return message.isResponse && dnsClass === 1 && type === RECORD_TYPES[asked.type] && sameName(name, asked.name)
}

function checkRcode(message: DnsMessage): DnsMessage {
  switch (message.rcode) {
    case RCODE.NOERROR:
    case RCODE.NXDOMAIN:
      return message
    case RCODE.SERVFAIL:
      throw new DnsError('server-failure', 'the resolver answered SERVFAIL')
    case RCODE.REFUSED:
      throw new DnsError('refused', 'the resolver answered REFUSED')
    default:
      throw new DnsError('server-failure', `the resolver answered with code ${message.rcode}`)
  }
}

function mixCase(name: string, random: Random): string {
  const bits = random.bytes(Math.ceil(name.length / 8))
  let mixed = ''
  for (let i = 0; i < name.length; i++) {
    const letter = name.charAt(i)
    const upper = (((bits[i >> 3] ?? 0) >> (i & 7)) & 1) === 1
    mixed += upper && letter >= 'a' && letter <= 'z' ? letter.toUpperCase() : letter
  }
  return mixed
}
