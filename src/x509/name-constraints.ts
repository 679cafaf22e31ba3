/** Name constraints of CA certificates (RFC 5280 §4.2.1.10): reading them, and checking names against them. */
import { formatIpAddress } from '../lib/ip-address.ts'
import { DerError } from './asn1/der-error.ts'
import { DerReader } from './asn1/reader.ts'
import { GENERAL_NAME_TAG, type GeneralName, readGeneralName } from './general-name.ts'
import { isEmptyName } from './name.ts'

/** The base of a subtree. An `ip` base holds address and mask; forms we cannot interpret keep their own type. */
export type ConstraintBase =
  | Exclude<GeneralName, { type: 'ip' }>
  | { readonly type: 'ip'; readonly network: Buffer; readonly mask: Buffer }

export interface NameConstraints {
  readonly permitted: readonly ConstraintBase[]
  readonly excluded: readonly ConstraintBase[]
}

/**
 * @param value the content of the extension
 * @throws {DerError} when nothing is constrained, on `minimum` or `maximum`, and on masks with holes
 */
export function parseNameConstraints(value: Uint8Array): NameConstraints {
  const outer = new DerReader(value)
  const fields = outer.sequence()
  outer.end()
  const permitted = fields.isAtConstructed(0) ? readSubtrees(fields.contextConstructed(0)) : []
  const excluded = fields.isAtConstructed(1) ? readSubtrees(fields.contextConstructed(1)) : []
  fields.end()
  if (permitted.length + excluded.length === 0) throw new DerError('nameConstraints is empty')
  return { permitted, excluded }
}

function readSubtrees(reader: DerReader): ConstraintBase[] {
  if (reader.done) throw new DerError('nameConstraints holds an empty list')
  const bases: ConstraintBase[] = []
  while (!reader.done) {
    const subtree = reader.sequence()
    bases.push(toBase(readGeneralName(subtree, [8, 32])))
    subtree.end()
  }
  return bases
}

function toBase(name: GeneralName): ConstraintBase {
  if (name.type !== 'ip') return name
  const half = name.bytes.length / 2
  const mask = name.bytes.subarray(half)
  const bits = [...mask].map((octet) => octet.toString(2).padStart(8, '0')).join('')
  if (bits.includes('01')) throw new DerError('an IP name constraint has a mask with holes')
  return { type: 'ip', network: name.bytes.subarray(0, half), mask }
}

/**
 * Runs the names of a certificate through the constraints of one CA above it. Excluded beats permitted; a name
 * of a form for which subtrees are permitted must be in one of them; a form that is constrained but that we
 * cannot interpret is refused. A wildcard `*.x` counts as every name one label below `x`.
 *
 * @param subjectDer the subject, refused when it is not empty and directory names are constrained
 * @returns one sentence for each violation; none means allowed. Never throws.
 */
export function checkNameConstraints(
  constraints: NameConstraints,
  names: readonly GeneralName[],
  subjectDer?: Uint8Array,
): string[] {
  const violations = names.flatMap((name) => violationOf(constraints, name) ?? [])
  const constrainsSubjects = [...constraints.permitted, ...constraints.excluded].some(isDirectoryName)
  if (constrainsSubjects && subjectDer !== undefined && !isEmptyName(subjectDer)) {
    violations.push('the CA constrains directory names, so that the subject must be empty')
  }
  return violations
}

function isDirectoryName(base: ConstraintBase): boolean {
  return base.type === 'other' && base.tag === GENERAL_NAME_TAG.directoryName
}

function violationOf({ permitted, excluded }: NameConstraints, name: GeneralName): string | undefined {
  const ofForm = (base: ConstraintBase): boolean => formOf(base) === formOf(name)
  const excludedBases = excluded.filter(ofForm)
  const permittedBases = permitted.filter(ofForm)
  if (excludedBases.length + permittedBases.length === 0) return undefined
  const text = describe(name)
  if (name.type !== 'dns' && name.type !== 'ip')
    return `${text} is of a form that the CA constrains and that is not supported`
  if (excludedBases.some((base) => overlaps(base, name))) return `${text} is excluded by the CA's name constraints`
  if (permittedBases.length > 0 && !permittedBases.some((base) => contains(base, name))) {
    return `${text} is not within the permitted name constraints of the CA`
  }
  return undefined
}

function formOf(name: { readonly type: GeneralName['type']; readonly tag?: number }): string {
  return name.type === 'other' ? `other ${name.tag}` : name.type
}

function describe(name: GeneralName): string {
  switch (name.type) {
    case 'dns':
    case 'email':
    case 'uri':
      return `${name.type} name ${JSON.stringify(name.value)}`
    case 'ip':
      return `IP address ${formatIpAddress(name.bytes)}`
    case 'other':
      return `a name of the general form [${name.tag}]`
    default:
      return name satisfies never
  }
}

/** Whether all that `name` stands for is in the subtree. */
function contains(base: ConstraintBase, name: GeneralName): boolean {
  if (base.type === 'ip' && name.type === 'ip') return isInBlock(base, name.bytes)
  if (base.type !== 'dns' || name.type !== 'dns') return false
  const { labels, onlyBelow } = readDnsBase(base.value)
  const isWildcard = name.value.startsWith('*.')
  const own = labelsOf(isWildcard ? name.value.slice(2) : name.value)
  if (labels === undefined || own === undefined || !endsWith(own, labels)) return false
  return isWildcard || !onlyBelow || own.length > labels.length
}

/** Whether anything that `name` stands for is in the subtree. In doubt yes, because the subtree is excluded. */
function overlaps(base: ConstraintBase, name: GeneralName): boolean {
  if (base.type === 'ip' && name.type === 'ip') return isInBlock(base, name.bytes)
  if (base.type !== 'dns' || name.type !== 'dns') return true
  const { labels } = readDnsBase(base.value)
  const isWildcard = name.value.startsWith('*.')
  const own = labelsOf(isWildcard ? name.value.slice(2) : name.value)
  if (labels === undefined || own === undefined || endsWith(own, labels)) return true
  // `*.x` stands for the base itself when that is one label below x.
  return isWildcard && labels.length === own.length + 1 && endsWith(labels, own)
}

/** A leading dot is not valid here, but is found in the wild: then only names below are permitted. */
function readDnsBase(text: string): { labels: readonly string[] | undefined; onlyBelow: boolean } {
  const onlyBelow = text.startsWith('.')
  const name = onlyBelow ? text.slice(1) : text
  return { labels: name === '' ? [] : labelsOf(name), onlyBelow }
}

/** Labels in lower case; undefined when this is not a host name, so that nothing can be said about it. */
function labelsOf(name: string): readonly string[] | undefined {
  const labels = name.toLowerCase().split('.')
  return labels.every((label) => /^[a-z0-9_-]+$/.test(label)) ? labels : undefined
}

function endsWith(labels: readonly string[], suffix: readonly string[]): boolean {
  const extra = labels.length - suffix.length
  return extra >= 0 && suffix.every((label, at) => labels[extra + at] === label)
}

function isInBlock(base: { readonly network: Buffer; readonly mask: Buffer }, address: Buffer): boolean {
  if (address.length !== base.network.length) return false
  return address.every((octet, at) => ((octet ^ (base.network[at] ?? 0)) & (base.mask[at] ?? 0)) === 0)
}
