import { createHash } from 'node:crypto'
import type { PolicyConfig } from '../config/schema.ts'

/** One `policies.<name>` as it decides, with every default. */
export interface EffectiveRules {
  /** Can be used in a configuration file again. */
  readonly text: string
  /** SHA-256 of the text in hex; in every decision. */
  readonly version: string
}

/**
 * What the decisions of a policy of the configuration come of, and its name. The same settings give the same version,
 * however they were written. Lists of bad keys are not in it: no decision depends on them.
 */
export function effectiveRules(name: string, { allow, deny, keys, profiles }: PolicyConfig): EffectiveRules {
  const rules = {
    allow: { dns: allow.dns, ip: allow.ip, uri: allow.uri, email: allow.email, wildcards: allow.wildcards },
    deny: { dns: deny.dns, ip: deny.ip, uri: deny.uri, email: deny.email },
    keys: { algorithms: keys.algorithms, minRsaBits: keys.minRsaBits, maxRsaBits: keys.maxRsaBits },
    ...(profiles && { profiles }),
  }
  // JSON, which is YAML too, and has one spelling for each value.
  const text = `${JSON.stringify({ policies: { [name]: rules } }, null, 2)}\n`
  return { text, version: createHash('sha256').update(text).digest('hex') }
}
