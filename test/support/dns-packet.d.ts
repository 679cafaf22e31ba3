declare module 'dns-packet' {
  export interface Question {
    name: string
    type: string
    class?: string
  }
  /** TXT data is a list of character-strings; A, AAAA and CNAME data is text. */
  export interface Answer {
    name: string
    type: string
    ttl?: number
    class?: string
    data?: string | readonly (string | Buffer)[] | object
  }
  export interface Packet {
    type?: 'query' | 'response'
    id?: number
    flags?: number
    questions?: Question[]
    answers?: Answer[]
    additionals?: readonly { type: string; name?: string; flag_do?: boolean }[]
  }
  export function encode(packet: Packet): Buffer
  export function decode(bytes: Buffer): Packet
}
