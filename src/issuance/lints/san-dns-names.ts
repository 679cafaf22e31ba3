import { normalizeDnsName } from '../../lib/dns-name.ts'
import type { Lint } from '../lint.ts'

/** Every dns name is in its one normal form: lower-case LDH, good `xn--` labels, `*` only as the whole first label (KF-A24). */
export const sanDnsNames: Lint = {
  name: 'san-dns-names',
  source: 'RFC 5280 §4.2.1.6, RFC 1034 §3.5, BR 7.1.4.2',
  severity: 'error',
  check({ subjectAltNames }) {
    for (const name of subjectAltNames) {
      if (name.type !== 'dns') continue
      const normal = normalizeDnsName(name.value, { wildcard: true })
      if (!normal.ok) return `the dns name ${JSON.stringify(name.value)} ${normal.reason}`
      if (normal.name !== name.value)
        return `the dns name ${JSON.stringify(name.value)} is not in its normal form ${normal.name}`
    }
    return undefined
  },
}
