/** Identifier octets (X.690 §8.1.2) of the universal types that X.509 uses. All tag numbers fit in one octet. */
export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  enumerated: 0x0a,
  utf8String: 0x0c,
  printableString: 0x13,
  t61String: 0x14,
  ia5String: 0x16,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const

export const CONSTRUCTED = 0x20

/** The identifier octet of `[n]` holding a primitive value (an IMPLICIT tag over a primitive type). */
export function contextPrimitiveTag(n: number): number {
  return 0x80 | n
}

/** The identifier octet of `[n]` holding other elements (an EXPLICIT tag, or IMPLICIT over a SEQUENCE or SET). */
export function contextConstructedTag(n: number): number {
  return 0xa0 | n
}
