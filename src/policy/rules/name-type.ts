import { quote } from '../../lib/quote.ts'
import { deny, type NameRule } from './rule.ts'

/** Only DNS names and addresses have rules; every other kind of subject alternative name is refused (KF-C09). */
export function nameType(): NameRule {
  return (name) => {
    if (name.type === 'dns' || name.type === 'ip') return undefined
    const detail = `${quote(name.value)} is a name of type ${quote(name.type)}; ask for type "dns" or "ip"`
    return deny('name-type', 'name-type', name, detail)
  }
}
