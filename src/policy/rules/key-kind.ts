import type { PolicyConfig } from '../../config/schema.ts'
import type { KeyAlgorithmName } from '../../x509/algorithms.ts'
import type { RequestRule } from './rule.ts'

export type KeyRules = Pick<PolicyConfig['keys'], 'algorithms' | 'minRsaBits' | 'maxRsaBits'>

/** `keys`: algorithm and size. Whether the key itself is weak is asked of `checkPublicKey`, which sees its numbers. */
export function keyKind(key: string, rules: KeyRules): RequestRule {
  return ({ key: asked, stage }) => {
    if (asked === undefined && stage === 'order') return []
    const fault = asked === undefined ? 'The key is not known' : faultOfKeyKind(asked, rules)
    return fault === undefined ? [] : [{ rule: key, code: 'key', detail: fault }]
  }
}

/** A sentence saying what is wrong with the kind or size of a key, or undefined. */
export function faultOfKeyKind(
  key: { readonly algorithm: KeyAlgorithmName; readonly bits: number },
  rules: KeyRules,
): string | undefined {
  const { algorithms, minRsaBits, maxRsaBits } = rules
  if (!algorithms.includes(key.algorithm)) {
    return `Keys of kind ${key.algorithm} are not allowed; use ${algorithms.join(', ') || 'none: no kind is allowed'}`
  }
  if (key.algorithm !== 'RSA') return undefined
  const isFit = Number.isInteger(key.bits) && key.bits >= minRsaBits && key.bits <= maxRsaBits && key.bits % 8 === 0
  if (isFit) return undefined
  return `The RSA key has ${key.bits} bits; use ${minRsaBits} to ${maxRsaBits} bits, a multiple of 8`
}
