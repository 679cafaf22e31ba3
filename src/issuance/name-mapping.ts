import type { ProfileConfig } from '../config/schema.ts'
import { normalizeDnsName } from '../lib/dns-name.ts'
import { normalizeEmail } from '../lib/email-address.ts'
import { distinctIdentifiers, type Identifier } from '../lib/identifier.ts'
import { quote } from '../lib/quote.ts'
import { normalizeUri } from '../lib/uri.ts'
import type { ProfileSnapshot, SubjectAttribute } from '../store/records.ts'
import { buildName } from '../x509/name.ts'
import { compileTemplate, fillTemplate, type Place, type Template } from './template.ts'

type MappedType = 'dns' | 'uri' | 'email'

/** How a profile makes names of the attributes of the account's external account key. */
export interface NameMapping {
  readonly subject: readonly { readonly type: SubjectAttribute['type']; readonly template: Template }[]
  readonly sans: readonly { readonly type: MappedType; readonly template: Template }[]
}

/** A value in a dns name is of labels; in a URI of segments of its path, never of its host; in an address it depends. */
const PLACE_AT: Readonly<Record<MappedType, (before: string) => Place | undefined>> = {
  dns: () => 'label',
  uri: (before) => (/^[a-z][a-z0-9+.-]*:\/\/[^/]+\//.test(before) ? 'segment' : undefined),
  email: (before) => (before.includes('@') ? 'label' : 'local'),
}

/**
 * The mapping of a profile; undefined when it has none.
 *
 * @throws {Error} naming the key below the profile, and the fault
 */
export function nameMapping(config: Pick<ProfileConfig, 'subject' | 'sans'>): NameMapping | undefined {
  const templates = typeof config.subject === 'string' ? {} : config.subject
  const subject = Object.entries(templates).flatMap(([key, text]) => {
    const type = key as SubjectAttribute['type']
    return text === undefined
      ? []
      : [{ type, template: named(`subject.${type}`, () => compileTemplate(text, () => 'text')) }]
  })
  if (typeof config.subject !== 'string' && subject.length === 0)
    throw new Error('subject: name at least one attribute')
  const sans = (['dns', 'uri', 'email'] as const).flatMap((type) =>
    config.sans[type].map((text) => ({
      type,
      template: named(`sans.${type}`, () => compileTemplate(text, PLACE_AT[type])),
    })),
  )
  return subject.length + sans.length === 0 ? undefined : { subject, sans }
}

export type FilledProfile =
  | { readonly ok: true; readonly profile: ProfileSnapshot }
  /** `reason` is a sentence for the requester. */
  | { readonly ok: false; readonly reason: string }

/**
 * The profile as an order keeps it: with the subject and the names that come of these attributes, so that whatever
 * becomes of the attributes, the order makes the same certificate. A value that does not fit its place is refused, never
 * changed and never cut (KF-C10). Never throws.
 */
export function fillProfile(
  profile: ProfileSnapshot,
  mapping: NameMapping | undefined,
  attributes: Readonly<Record<string, string>>,
): FilledProfile {
  if (mapping === undefined) return { ok: true, profile }
  const subjectAttributes: SubjectAttribute[] = []
  for (const { type, template } of mapping.subject) {
    const filled = fillTemplate(template, attributes)
    if (!filled.ok) return refuse(`subject.${type}`, profile, filled.reason)
    const attribute = { type, value: filled.text }
    const fault = attributeFault(attribute)
    if (fault !== undefined) return refuse(`subject.${type}`, profile, unfit(template, fault))
    subjectAttributes.push(attribute)
  }
  const added: Identifier[] = []
  for (const { type, template } of mapping.sans) {
    const filled = fillTemplate(template, attributes)
    if (!filled.ok) return refuse(`sans.${type}`, profile, filled.reason)
    const name = nameOf(type, filled.text)
    if (typeof name === 'string') return refuse(`sans.${type}`, profile, unfit(template, name))
    added.push(name)
  }
  return {
    ok: true,
    profile: Object.freeze({
      ...profile,
      ...(subjectAttributes.length > 0 && { subjectAttributes: Object.freeze(subjectAttributes) }),
      ...(added.length > 0 && { addedNames: Object.freeze(distinctIdentifiers(added)) }),
    }),
  }
}

/** The name in its normal form, or why it is none, in words that do not repeat the text. */
function nameOf(type: MappedType, text: string): Identifier | string {
  switch (type) {
    case 'dns': {
      const dns = normalizeDnsName(text)
      return dns.ok ? { type, value: dns.name } : dns.reason
    }
    case 'uri': {
      const uri = normalizeUri(text)
      return uri.ok ? { type, value: uri.uri } : uri.reason
    }
    case 'email': {
      const email = normalizeEmail(text)
      return email.ok ? { type, value: email.address } : email.reason
    }
    default:
      return type satisfies never
  }
}

/** Says which attributes it comes of, and never what they hold. */
function unfit({ text, parts }: Template, fault: string): string {
  const attributes = parts.flatMap((part) => (typeof part === 'string' ? [] : [quote(part.attribute)]))
  if (attributes.length === 0) return `${quote(text)} does not fit: ${fault}`
  const subject = attributes.length === 1 ? 'attribute' : 'attributes'
  return `what comes of the ${subject} ${attributes.join(', ')} does not fit: ${fault}`
}

function attributeFault(attribute: SubjectAttribute): string | undefined {
  try {
    buildName([attribute])
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message : 'it cannot be encoded'
  }
}

function refuse(key: string, { name }: ProfileSnapshot, reason: string): FilledProfile {
  return { ok: false, reason: `The profile ${name} cannot be used by this account (${key}): ${reason}` }
}

function named<T>(key: string, read: () => T): T {
  try {
    return read()
  } catch (cause) {
    throw new Error(`${key}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
  }
}
