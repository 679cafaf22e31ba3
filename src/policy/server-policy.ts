import { type Identifier, identifierKey } from '../lib/identifier.ts'
import { quote } from '../lib/quote.ts'
import type { Decision, Policy, PolicyRequest, Reason, RequestedName } from './decision.ts'

const RULE = 'server-certificate'
const SERVER_AUTH: readonly string[] = ['serverAuth', '1.3.6.1.5.5.7.3.1']

/**
 * The policy of the server's own certificate: the server itself may have exactly these names, all of them, for
 * server authentication. Nobody else may have anything by it.
 *
 * @param names in normal form, as configured; an empty list allows nothing
 */
export function createServerPolicy(names: readonly Identifier[]): Policy {
  const own = new Set(names.map(identifierKey))
  return {
    async decide(request) {
      try {
        return decideFor(request, own)
      } catch {
        return {
          outcome: 'deny',
          reasons: [{ rule: RULE, code: 'unavailable', detail: 'The policy could not be evaluated' }],
        }
      }
    },
  }
}

function decideFor(request: PolicyRequest, own: ReadonlySet<string>): Decision {
  const foreign = request.names.filter((name) => !isOwn(name, own))
  const reasons: Reason[] = foreign.map((name) => ({
    rule: RULE,
    code: 'name-not-allowed',
    detail: `${quote(name.value)} is not a name of this server`,
    name,
  }))
  if (request.requester.kind !== 'server') reasons.push(because('name-not-allowed', 'Only the server itself may ask'))
  const asked = new Set(request.names.filter((name) => isOwn(name, own)).map((name) => `${name.type}:${name.value}`))
  if (asked.size === 0 || asked.size !== own.size) {
    reasons.push(because('name-not-allowed', 'The names are not all those that the server is configured with'))
  }
  const usages = request.extendedKeyUsages ?? (request.stage === 'order' ? SERVER_AUTH : [])
  if (usages.length === 0 || !usages.every((usage) => SERVER_AUTH.includes(usage))) {
    reasons.push(because('usage', 'The extended key usage must be serverAuth and nothing else'))
  }
  if (reasons.length > 0) return { outcome: 'deny', reasons }
  return { outcome: 'allow', reasons: [because('allowed', 'These are the names that the server is configured with')] }
}

function isOwn(name: RequestedName, own: ReadonlySet<string>): boolean {
  return (name.type === 'dns' || name.type === 'ip') && own.has(identifierKey(name))
}

function because(code: Reason['code'], detail: string): Reason {
  return { rule: RULE, code, detail }
}
