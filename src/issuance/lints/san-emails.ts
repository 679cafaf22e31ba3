import { normalizeEmail } from '../../lib/email-address.ts'
import type { Lint } from '../lint.ts'

/** Every mail address is ASCII, with its domain in lower case. */
export const sanEmails: Lint = {
  name: 'san-emails',
  source: 'RFC 5280 §4.2.1.6, RFC 9598 §3',
  severity: 'error',
  check({ subjectAltNames }) {
    for (const name of subjectAltNames) {
      if (name.type !== 'email') continue
      const normal = normalizeEmail(name.value)
      if (!normal.ok) return `the address ${JSON.stringify(name.value)} is not in normal form: ${normal.reason}`
      if (normal.address !== name.value) return `the address ${JSON.stringify(name.value)} has capitals in its domain`
    }
    return undefined
  },
}
