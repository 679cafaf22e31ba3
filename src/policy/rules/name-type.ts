import { isIdentifierType } from '../../lib/identifier.ts'
import { quote } from '../../lib/quote.ts'
import { deny, type NameRule } from './rule.ts'

/** Names of other kinds than those that have rules are refused (KF-C09). */
export function nameType(): NameRule {
  return (name) => {
    // Not trusting the type: whatever it says at runtime, only what has rules goes on.
    if (isIdentifierType(name.type)) return undefined
    const detail = `${quote(name.value)} is a name of a type that is not issued`
    return deny('name-type', 'name-type', name, detail)
  }
}
