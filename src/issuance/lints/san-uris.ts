import { normalizeUri } from '../../lib/uri.ts'
import type { Lint } from '../lint.ts'

/** Every URI is absolute and in its one normal form. */
export const sanUris: Lint = {
  name: 'san-uris',
  source: 'RFC 5280 §4.2.1.6, SPIFFE-ID §2',
  severity: 'error',
  check({ subjectAltNames }) {
    for (const name of subjectAltNames) {
      if (name.type !== 'uri') continue
      const normal = normalizeUri(name.value)
      if (!normal.ok) return `the URI ${JSON.stringify(name.value)} is not in normal form: ${normal.reason}`
    }
    return undefined
  },
}
