import type { GeneralName } from '../../x509/general-name.ts'
import type { Lint } from '../lint.ts'

/** No name stands twice. Case counts in the path of a URI and before the `@` of an address (RFC 3986 §6.2.2.1, RFC 5321 §2.4). */
export const sanDuplicates: Lint = {
  name: 'san-duplicates',
  source: 'BR 7.1.2.7.12',
  severity: 'error',
  check({ subjectAltNames }) {
    const seen = new Set<string>()
    for (const name of subjectAltNames) {
      const key = keyOf(name)
      if (seen.has(key)) return `the subjectAltName holds a name twice (${key})`
      seen.add(key)
    }
    return undefined
  },
}

function keyOf(name: GeneralName): string {
  switch (name.type) {
    case 'dns':
      return `dns ${name.value.toLowerCase()}`
    case 'ip':
      return `ip ${name.bytes.toString('hex')}`
    case 'email':
    case 'uri':
      return `${name.type} ${name.value}`
    case 'other':
      return name.der.toString('hex')
    default:
      return name satisfies never
  }
}
