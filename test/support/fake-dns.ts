import { createSocket, type Socket as UdpSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import { type Answer, decode, encode } from 'dns-packet'

const RCODES = { NOERROR: 0, FORMERR: 1, SERVFAIL: 2, NXDOMAIN: 3, NOTIMP: 4, REFUSED: 5 } as const
const FLAG = { truncated: 0x0200, recursionAvailable: 0x0080, authenticated: 0x0020 } as const
const UDP_LIMIT = 1232

export interface FakeQuery {
  /** Lower-case; `rawName` is as it came. */
  readonly name: string
  readonly rawName: string
  readonly type: string
  readonly transport: 'udp' | 'tcp'
  readonly id: number
  readonly sourcePort: number
  /** DO bit of EDNS; undefined when the query has no OPT record. */
  readonly dnssecOk: boolean | undefined
}

/** What to answer. Absent fields are what an honest resolver would send for no records. */
export interface FakeReply {
  readonly rcode?: keyof typeof RCODES
  readonly answers?: readonly Answer[]
  readonly truncated?: boolean
  readonly authenticated?: boolean
  /** The question section to echo instead of the one that came. */
  readonly questionName?: string
  readonly questionType?: string
  readonly id?: number
  /** These bytes instead of a message; the first two become the id that was asked, unless `keepId` is false. */
  readonly raw?: Buffer
  readonly keepId?: false
}

/** Several replies are sent in turn, e.g. a forged one before the true one; none is silence. */
export type FakeScript = (query: FakeQuery) => FakeReply | readonly FakeReply[] | undefined

type RecordKind = 'A' | 'AAAA' | 'TXT' | 'CNAME'

export interface FakeDns {
  readonly port: number
  /** `127.0.0.1:port`, for `validation.dns.resolvers`. */
  readonly resolver: string
  readonly queries: FakeQuery[]
  /** Replaces the records of a name and type; without data they are removed. TXT data is one string a record. */
  set(name: string, type: RecordKind, ...data: readonly string[]): void
  /** Answers for this name by a script instead of the records; `*` is every name. */
  script(name: string, script: FakeScript): void
  close(): Promise<void>
}

/** A recursive resolver on 127.0.0.1, UDP and TCP on one port, that knows what it is told and records what it is asked. */
export async function startFakeDns(): Promise<FakeDns> {
  const records = new Map<string, Answer[]>()
  const scripts = new Map<string, FakeScript>()
  const queries: FakeQuery[] = []
  const sockets = new Set<Socket>()
  const { udp, tcp, port } = await bind()

  const answer = (bytes: Buffer, transport: 'udp' | 'tcp', sourcePort: number): Buffer[] => {
    const packet = decode(bytes)
    const question = packet.questions?.[0]
    if (question === undefined) return []
    const query: FakeQuery = {
      name: question.name.toLowerCase(),
      rawName: question.name,
      type: question.type,
      transport,
      id: packet.id ?? 0,
      sourcePort,
      dnssecOk: packet.additionals?.find((record) => record.type === 'OPT')?.flag_do,
    }
    queries.push(query)
    const script = scripts.get(query.name) ?? scripts.get('*')
    const reply = script === undefined ? fromRecords(records, query, (name) => scripts.has(name)) : script(query)
    const replies = reply === undefined ? [] : Array.isArray(reply) ? reply : [reply]
    return replies.map((one) => render(one, query))
  }

  udp.on('message', (bytes, peer) => {
    for (const reply of answer(bytes, 'udp', peer.port)) udp.send(reply, peer.port, peer.address)
  })
  tcp.on('connection', (socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => {})
    let buffered = Buffer.alloc(0)
    socket.on('data', (chunk: Buffer) => {
      buffered = Buffer.concat([buffered, chunk])
      if (buffered.length < 2 || buffered.length < 2 + buffered.readUInt16BE(0)) return
      for (const reply of answer(buffered.subarray(2), 'tcp', socket.remotePort ?? 0)) {
        const length = Buffer.alloc(2)
        length.writeUInt16BE(reply.length)
        socket.write(Buffer.concat([length, reply]))
      }
      buffered = Buffer.alloc(0)
    })
  })

  return {
    port,
    resolver: `127.0.0.1:${port}`,
    queries,
    set(name, type, ...data) {
      const key = `${name.toLowerCase()} ${type}`
      if (data.length === 0) records.delete(key)
      else
        records.set(
          key,
          data.map((value) => ({ name, type, ttl: 5, data: type === 'TXT' ? [value] : value })),
        )
    },
    script(name, script) {
      scripts.set(name.toLowerCase(), script)
    },
    async close() {
      for (const socket of sockets) socket.destroy()
      // The UDP port is kept, deaf, until this process ends: given free, it could become the port of another test's
      // server, which would then be asked what somebody here still asks of this one.
      udp.removeAllListeners('message').unref()
      await closeServer(tcp)
    },
  }
}

function fromRecords(
  records: ReadonlyMap<string, Answer[]>,
  query: FakeQuery,
  isScripted: (name: string) => boolean,
): FakeReply {
  const answers: Answer[] = []
  let name = query.name
  for (let hops = 0; hops < 20; hops++) {
    const found = records.get(`${name} ${query.type}`)
    if (found !== undefined) return { answers: [...answers, ...found] }
    const alias = records.get(`${name} CNAME`)?.[0]
    if (alias === undefined) break
    answers.push(alias)
    name = String(alias.data).toLowerCase()
  }
  const exists = isScripted(name) || [...records.keys()].some((key) => key.startsWith(`${name} `))
  return { rcode: exists ? 'NOERROR' : 'NXDOMAIN', answers }
}

function render(reply: FakeReply, query: FakeQuery): Buffer {
  if (reply.raw !== undefined) {
    const raw = Buffer.from(reply.raw)
    if (reply.keepId !== false && raw.length >= 2) raw.writeUInt16BE(query.id, 0)
    return raw
  }
  const flags =
    RCODES[reply.rcode ?? 'NOERROR'] |
    FLAG.recursionAvailable |
    (reply.truncated === true ? FLAG.truncated : 0) |
    (reply.authenticated === true ? FLAG.authenticated : 0)
  const packet = {
    type: 'response' as const,
    id: reply.id ?? query.id,
    flags,
    questions: [{ name: reply.questionName ?? query.rawName, type: reply.questionType ?? query.type }],
    answers: [...(reply.answers ?? [])],
  }
  const whole = encode(packet)
  const isTooBig = query.transport === 'udp' && whole.length > UDP_LIMIT && reply.truncated === undefined
  return isTooBig ? encode({ ...packet, flags: flags | FLAG.truncated, answers: [] }) : whole
}

/** UDP first, then TCP on the same port; another one when somebody has it already. */
async function bind(): Promise<{ udp: UdpSocket; tcp: Server; port: number }> {
  for (;;) {
    const udp = createSocket('udp4')
    udp.bind(0, '127.0.0.1')
    await once(udp, 'listening')
    const { port } = udp.address()
    const tcp = createServer()
    try {
      tcp.listen(port, '127.0.0.1')
      await once(tcp, 'listening')
      return { udp, tcp, port }
    } catch {
      await new Promise<void>((resolve) => udp.close(() => resolve()))
    }
  }
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()))
}
