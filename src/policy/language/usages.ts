/** Extended key usages by name (RFC 5280 §4.2.1.12). */
export const EXTENDED_KEY_USAGES = {
  serverAuth: '1.3.6.1.5.5.7.3.1',
  clientAuth: '1.3.6.1.5.5.7.3.2',
  codeSigning: '1.3.6.1.5.5.7.3.3',
  emailProtection: '1.3.6.1.5.5.7.3.4',
} as const

export type ExtendedKeyUsageName = keyof typeof EXTENDED_KEY_USAGES
export const EXTENDED_KEY_USAGE_NAMES = Object.keys(EXTENDED_KEY_USAGES) as [
  ExtendedKeyUsageName,
  ...ExtendedKeyUsageName[],
]

const NAME_OF_OID: ReadonlyMap<string, string> = new Map(
  Object.entries(EXTENDED_KEY_USAGES).map(([usage, oid]) => [oid, usage]),
)

/** The name of a usage that is given by name or as object identifier; what is unknown stays as it is. */
export function usageName(usage: string): string {
  return NAME_OF_OID.get(usage) ?? usage
}

/** A usage that is known by name, or an object identifier. */
export function isUsage(text: string): boolean {
  return Object.hasOwn(EXTENDED_KEY_USAGES, text) || /^[0-2](?:\.(?:0|[1-9]\d{0,19})){1,30}$/.test(text)
}
