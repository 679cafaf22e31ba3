import { type Cidr, parseCidr } from '../lib/cidr.ts'
import { contextConstructed, contextPrimitive, ia5Content, sequence } from './asn1/writer.ts'
import { extension } from './extension.ts'
import { GENERAL_NAME_TAG } from './general-name.ts'
import { OID } from './oids.ts'

export interface NameSubtrees {
  /** Names without a leading dot; each covers itself and everything below, `''` covers all. */
  readonly dns: readonly string[]
  /** CIDR blocks, `10.0.0.0/8` or `fd00::/8`. */
  readonly ip: readonly string[]
}

/**
 * The critical nameConstraints extension of a CA certificate (RFC 5280 §4.2.1.10). A permitted list of one type
 * does not limit the other types.
 *
 * @throws {RangeError} when nothing is constrained or a base is malformed
 */
export function nameConstraints(options: {
  readonly permitted?: NameSubtrees
  readonly excluded?: NameSubtrees
}): Buffer {
  const parts: Buffer[] = []
  for (const [tag, subtrees] of [options.permitted, options.excluded].entries()) {
    const bases = subtrees === undefined ? [] : [...subtrees.dns.map(dnsBase), ...subtrees.ip.map(ipBase)]
    // GeneralSubtree: `minimum` is 0 and left out, `maximum` is absent.
    if (bases.length > 0) parts.push(contextConstructed(tag, ...bases.map((base) => sequence(base))))
  }
  if (parts.length === 0) throw new RangeError('nameConstraints must permit or exclude at least one subtree')
  return extension(OID.nameConstraints, true, sequence(...parts))
}

function dnsBase(base: string): Buffer {
  if (base.length > 253 || !/^([a-z0-9_-]+(\.[a-z0-9_-]+)*)?$/.test(base)) {
    throw new RangeError(`not a DNS name constraint (lower case, no leading dot, no wildcard): ${JSON.stringify(base)}`)
  }
  return contextPrimitive(GENERAL_NAME_TAG.dns, ia5Content(base))
}

/** Address and mask, 8 or 32 octets. */
function ipBase(text: string): Buffer {
  const { network, prefixBits } = readBlock(text)
  const mask = Buffer.alloc(network.length)
  for (let bit = 0; bit < prefixBits; bit++) mask[bit >> 3] = (mask[bit >> 3] ?? 0) | (0x80 >> (bit & 7))
  return contextPrimitive(GENERAL_NAME_TAG.ip, Buffer.concat([network, mask]))
}

function readBlock(text: string): Cidr {
  try {
    return parseCidr(text)
  } catch (cause) {
    throw new RangeError(`not an IP name constraint: ${cause instanceof Error ? cause.message : text}`, { cause })
  }
}
