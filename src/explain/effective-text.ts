import type { RuleSource } from '../policy/language/schema.ts'
import type { Effective } from './effective.ts'

/** What an account may hold, for a person to read. */
export function effectiveText(effective: Effective): string[] {
  const { account, requester, allow, deny, configured, grants } = effective
  const key = requester.kind === 'account' ? requester.externalKey : undefined
  const attributes = Object.entries(key?.attributes ?? {}).map(([name, value]) => `${name}=${value}`)
  return [
    `Account ${account.id} of directory ${account.directory}` +
      (account.ended === undefined ? '' : `: ENDED ${account.ended.toISOString()}, so it may hold nothing`),
    ...lines([
      ['policy', effective.policy],
      ['made with', key?.id],
      ['attributes', attributes.join(', ')],
      ['groups', key?.groups.join(', ')],
      ['only rules', key?.scope?.join(', ')],
      ['challenges', effective.challenges.join(', ')],
    ]),
    ...(configured === undefined
      ? rulesText(allow, deny)
      : key?.scope === undefined
        ? configuredText(configured)
        : ['Its external account key is for certain rules of a policy file, and there is none: it may hold nothing.']),
    ...grantsText(grants),
  ]
}

function rulesText(allow: readonly RuleSource[], deny: readonly RuleSource[]): string[] {
  return [
    ...(allow.length === 0 ? ['No rule allows anything to it.'] : []),
    ...allow.flatMap((rule) => ['', `May hold, by rule ${rule.name}`, ...lines(ruleFields(rule))]),
    ...deny.flatMap((rule) => ['', `Never, by rule ${rule.name}`, ...lines(ruleFields(rule))]),
  ]
}

function ruleFields({
  description,
  names,
  keys,
  profiles,
  challenges,
  with: limits,
  often,
  when,
  expires,
}: RuleSource) {
  const fields: Field[] = [
    ['why', description],
    ['dns', names?.dns?.join(', ')],
    ['wildcards', names?.dns === undefined ? undefined : names.wildcards ? 'yes' : 'no'],
    ['ip', names?.ip?.join(', ')],
    ['uri', names?.uri?.join(', ')],
    ['email', names?.email?.join(', ')],
    ['names', names === undefined ? 'every name' : undefined],
    ['profiles', profiles?.join(', ')],
    ['keys', keys?.join(', ')],
    ...members(challenges).map(([kind, methods]): Field => [`${kind} by`, [methods].flat().join(', ')]),
    ...members(limits).map(([limit, value]): Field => [limit, valueText(limit, value)]),
    ...members(often).map(([limit, value]): Field => [limit, valueText(limit, value)]),
    ['only if', when],
    ['until', expires],
  ]
  return fields
}

function grantsText(grants: Effective['grants']): string[] {
  if (grants.length === 0) return []
  return [
    '',
    'Granted, without a challenge where policy allows the name and takes `pre-authorized` for a proof',
    ...lines(
      grants.map(({ id, holder, identifier, wildcard, expiresAt, owner, note }) => [
        identifier.type,
        `${wildcard ? '*.' : ''}${identifier.value}  until ${expiresAt.toISOString()}, owner ${owner}` +
          `${note === '' ? '' : ` (${note})`}, ${id} of ${holder}`,
      ]),
    ),
  ]
}

function members(of: object | undefined): [string, unknown][] {
  return Object.entries(of ?? {}).filter(([, value]) => value !== undefined)
}

function valueText(limit: string, value: unknown): string {
  if (typeof value === 'number') return limit.endsWith('Lifetime') ? `${value} s` : String(value)
  return typeof value === 'string' ? value : JSON.stringify(value)
}

function configuredText({ name, allow, deny, keys, profiles }: NonNullable<Effective['configured']>): string[] {
  const some = (list: readonly string[]): string => list.join(', ') || 'none'
  return [
    '',
    `May hold, by policies.${name}`,
    ...lines([
      ['dns', some(allow.dns)],
      ['wildcards', allow.wildcards ? 'yes' : 'no'],
      ['ip', some(allow.ip)],
      ['uri', some(allow.uri)],
      ['email', some(allow.email)],
      ['profiles', profiles?.join(', ')],
      ['keys', keys.algorithms.join(', ')],
      ['RSA bits', `${keys.minRsaBits} to ${keys.maxRsaBits}`],
    ]),
    ...([deny.dns, deny.ip, deny.uri, deny.email].every((list) => list.length === 0)
      ? []
      : [
          '',
          `Never, by policies.${name}`,
          ...lines([
            ['dns', deny.dns.join(', ')],
            ['ip', deny.ip.join(', ')],
            ['uri', deny.uri.join(', ')],
            ['email', deny.email.join(', ')],
          ]),
        ]),
  ]
}

type Field = readonly [label: string, value: string | undefined]

const LABEL_WIDTH = 12

/** What is absent or empty has no line. */
function lines(of: readonly Field[]): string[] {
  return of.flatMap(([label, value]) => (value ? [`  ${label.padEnd(LABEL_WIDTH)} ${value}`] : []))
}
