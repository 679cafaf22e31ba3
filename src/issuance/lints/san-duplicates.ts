import type { Lint } from '../lint.ts'

/** No name stands twice. */
export const sanDuplicates: Lint = {
  name: 'san-duplicates',
  source: 'BR 7.1.2.7.12',
  severity: 'error',
  check({ subjectAltNames }) {
    const seen = new Set<string>()
    for (const name of subjectAltNames) {
      const key =
        name.type === 'ip'
          ? `ip ${name.bytes.toString('hex')}`
          : name.type === 'other'
            ? name.der.toString('hex')
            : `${name.type} ${name.value.toLowerCase()}`
      if (seen.has(key)) return `the subjectAltName holds a name twice (${key})`
      seen.add(key)
    }
    return undefined
  },
}
