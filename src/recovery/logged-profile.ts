import { type Identifier, isIdentifierType } from '../lib/identifier.ts'
import type { ProfileSnapshot } from '../store/records.ts'
import type { Fields } from './fields.ts'
import { LogError } from './log-error.ts'

const TYPES = ['server', 'client', 'peer', 'workload', 'code-signing', 'smime'] as const
const USAGES = ['serverAuth', 'clientAuth', 'codeSigning', 'emailProtection'] as const
const SUBJECTS = ['empty', 'commonName', 'attributes'] as const
const ATTRIBUTES = ['CN', 'O', 'OU', 'C', 'ST', 'L', 'serialNumber'] as const

/** The profile of a certificate as the log has it. @throws {LogError} naming what is not of this version */
export function parseProfile(fields: Fields): ProfileSnapshot {
  const version = fields.optionalText('version')
  const type = fields.optionalText('type')
  const has = (name: string): boolean => fields.value[name] !== undefined
  const renewal = fields.optionalInner('renewal')
  return {
    name: fields.text('name'),
    ...(version !== undefined && { version }),
    ...(type !== undefined && { type: oneOf(TYPES, type, 'type of profile') }),
    lifetimeSeconds: fields.count('lifetimeSeconds'),
    maxLifetimeSeconds: fields.count('maxLifetimeSeconds'),
    backdateSeconds: fields.count('backdateSeconds'),
    extendedKeyUsages: fields.texts('extendedKeyUsages').map((usage) => oneOf(USAGES, usage, 'key usage')),
    subject: oneOf(SUBJECTS, fields.text('subject'), 'form of subject'),
    ...(has('subjectAttributes') && {
      subjectAttributes: fields.list('subjectAttributes').map((one) => ({
        type: oneOf(ATTRIBUTES, one.text('type'), 'attribute of a subject'),
        value: one.text('value'),
      })),
    }),
    ...(has('addedNames') && { addedNames: fields.list('addedNames').map(parseLoggedIdentifier) }),
    issuer: fields.text('issuer'),
    ...(has('certificatePolicies') && {
      certificatePolicies: fields.list('certificatePolicies').map((one) => {
        const cps = one.optionalText('cps')
        return { oid: one.text('oid'), ...(cps !== undefined && { cps }) }
      }),
    }),
    ...(has('noRevAvailSeconds') && { noRevAvailSeconds: fields.count('noRevAvailSeconds') }),
    ...(fields.value['mustStaple'] === true && { mustStaple: true }),
    ...(fields.value['otherNames'] === true && { otherNames: true }),
    ...(renewal && { renewal: { after: share(renewal, 'after'), within: share(renewal, 'within') } }),
  }
}

/** @throws {LogError} */
export function parseLoggedIdentifier(fields: Fields): Identifier {
  const type = fields.text('type')
  if (!isIdentifierType(type)) throw new LogError(`an identifier of type ${type.slice(0, 40)} is not of this version`)
  return { type, value: fields.text('value') }
}

function oneOf<T extends string>(known: readonly T[], text: string, what: string): T {
  const found = known.find((one) => one === text)
  if (found === undefined) throw new LogError(`${text.slice(0, 40)} is no ${what}`)
  return found
}

function share(fields: Fields, name: string): number {
  const value = fields.value[name]
  if (typeof value !== 'number' || !(value > 0 && value < 1)) throw new LogError(`${name} is no share`)
  return value
}
