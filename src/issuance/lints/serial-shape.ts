import type { Lint } from '../lint.ts'

/** At least 120 bits of room and at most 20 octets, positive and without padding (KF-C01). */
export const serialShape: Lint = {
  name: 'serial-shape',
  source: 'RFC 5280 §4.1.2.2, BR 7.1.2.7',
  severity: 'error',
  check({ serial }) {
    const first = serial[0] ?? 0
    if (serial.length < 16 || serial.length > 20)
      return `the serial number has ${serial.length} octets, 16 to 20 are allowed`
    if (first === 0 || first >= 0x80) return 'the serial number is not positive or is padded'
    return undefined
  },
}
