import type { Random } from '../lib/random.ts'

/** Sixteen octets would leave 127 bits once the sign bit is cleared; with one octet more all 128 are random (KF-C01). */
const SERIAL_OCTETS = 17

/**
 * A new serial number: 17 random octets of which the top bit is 0 and the first octet is not, so that they are the
 * content of a positive, minimal INTEGER of fixed length (RFC 5280 §4.1.2.2) with over 134 random bits.
 *
 * @throws {Error} when the generator hands out nothing but zeros
 */
export function newSerial(random: Random): Buffer {
  for (let attempt = 0; attempt < 16; attempt++) {
    const serial = Buffer.from(random.bytes(SERIAL_OCTETS))
    const first = (serial[0] ?? 0) & 0x7f
    if (first === 0 || serial.length !== SERIAL_OCTETS) continue
    serial[0] = first
    return serial
  }
  throw new Error('the random generator gave sixteen serials in a row that begin with zeros; it is broken')
}
