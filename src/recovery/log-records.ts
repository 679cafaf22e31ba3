import { parseId } from '../lib/ids.ts'
import type { Change, EabKeyFacts, LoggedCertificate } from '../store/history.ts'
import type { AccountRecord, Jwk, RevocationReason } from '../store/records.ts'
import { Fields } from './fields.ts'
import { LogError } from './log-error.ts'
import { parseLoggedIdentifier, parseProfile } from './logged-profile.ts'

/** Up to here the log holds everything that its store had told of, in the order of the store's audit events. */
export interface Mark {
  readonly id: number
  /** Digest of that event; empty for 0, where there was none yet. */
  readonly fingerprint: string
}

/** The first record of a file of the log. */
export interface SegmentHeader {
  readonly kind: 'segment'
  readonly version: 1
  /** 1, 2, 3 …, as in the name of the file. */
  readonly number: number
  readonly openedAt: Date
  readonly lineage: string
  readonly epoch: number
  /** What went before is in earlier files, or before the log began. */
  readonly mark: Mark
  /** How the file before ended; absent in the first one. */
  readonly previous?: { readonly seal: string; readonly bytes: number; readonly keepUntil: Date }
}

/** Follows the records of one write, and says that they are all. */
export interface MarkRecord extends Mark {
  readonly kind: 'mark'
  /** The last end of a certificate in this file so far; it matters at least until then. */
  readonly keepUntil: Date
}

export type LogRecord = SegmentHeader | MarkRecord | Change

/** The most bytes that one record may have; a certificate of a hundred long names needs a tenth. */
export const MAX_RECORD_BYTES = 1 << 20

export function renderRecord(record: LogRecord): string {
  switch (record.kind) {
    case 'segment':
    case 'mark':
    case 'revocation':
    case 'account':
    case 'eab-key':
      return JSON.stringify(record)
    case 'crl':
      return JSON.stringify({ ...record, number: record.number.toString() })
    case 'certificate':
      return renderCertificate(record)
    default:
      return record satisfies never
  }
}

/** By hand, because this runs for every certificate: `JSON.stringify` of the whole takes several times as long. */
function renderCertificate({ id, certificate }: Extract<Change, { kind: 'certificate' }>): string {
  const { issuerId, serial, notAfter, orderId, accountId, directory, identifiers, profile } = certificate
  return (
    `{"kind":"certificate","id":${id},"serial":"${serial}","issuerId":"${issuerId}","notAfter":"${notAfter.toISOString()}"` +
    `,"identifiers":${JSON.stringify(identifiers)}` +
    (accountId === undefined ? '' : `,"accountId":"${accountId}"`) +
    (orderId === undefined ? '' : `,"orderId":"${orderId}"`) +
    (directory === undefined ? '' : `,"directory":${JSON.stringify(directory)}`) +
    `,"profile":${JSON.stringify(profile)},"reservedMs":${certificate.reservedAt.getTime()}` +
    `,"issuedMs":${certificate.issuedAt.getTime()},"der":"${certificate.certificateDer.toString('base64')}"}`
  )
}

/** @throws {LogError} when the text is no record of this version */
export function parseRecord(text: string): LogRecord {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new LogError('it is not JSON')
  }
  const fields = new Fields(value)
  const kind = fields.text('kind')
  if (kind === 'segment') return parseHeader(fields)
  const id = fields.count('id')
  switch (kind) {
    case 'mark':
      return { kind, id, fingerprint: fields.text('fingerprint'), keepUntil: fields.date('keepUntil') }
    case 'certificate':
      return { kind, id, certificate: parseLogged(fields) }
    case 'revocation':
      return {
        kind,
        id,
        issuerId: fields.text('issuerId'),
        serial: fields.text('serial'),
        revokedAt: fields.date('revokedAt'),
        reason: parseReason(fields.count('reason')),
      }
    case 'account':
      return { kind, id, account: parseAccount(fields.inner('account')) }
    case 'eab-key':
      return { kind, id, key: parseEabKey(fields.inner('key')) }
    case 'crl': {
      const number = fields.text('number')
      if (!/^\d{1,48}$/.test(number)) throw new LogError('a CRL number is digits')
      return { kind, id, issuerId: fields.text('issuerId'), number: BigInt(number) }
    }
    default:
      throw new LogError(`a record of kind ${JSON.stringify(kind).slice(0, 40)} is not of this version`)
  }
}

function parseHeader(fields: Fields): SegmentHeader {
  const version = fields.count('version')
  if (version !== 1) throw new LogError(`it is of version ${version}, which a newer Chancery reads`)
  const mark = fields.inner('mark')
  const previous = fields.optionalInner('previous')
  return {
    kind: 'segment',
    version,
    number: fields.count('number'),
    openedAt: fields.date('openedAt'),
    lineage: fields.text('lineage'),
    epoch: fields.count('epoch'),
    mark: { id: mark.count('id'), fingerprint: mark.text('fingerprint') },
    ...(previous && {
      previous: {
        seal: previous.text('seal'),
        bytes: previous.count('bytes'),
        keepUntil: previous.date('keepUntil'),
      },
    }),
  }
}

function parseLogged(fields: Fields): LoggedCertificate {
  const orderId = parseId('order', fields.optionalText('orderId') ?? '')
  const accountId = parseId('account', fields.optionalText('accountId') ?? '')
  const directory = fields.optionalText('directory')
  return {
    serial: fields.text('serial'),
    issuerId: fields.text('issuerId'),
    ...(orderId && { orderId }),
    ...(accountId && { accountId }),
    ...(directory !== undefined && { directory }),
    identifiers: fields.list('identifiers').map(parseLoggedIdentifier),
    profile: parseProfile(fields.inner('profile')),
    notAfter: fields.date('notAfter'),
    reservedAt: fields.milliseconds('reservedMs'),
    issuedAt: fields.milliseconds('issuedMs'),
    certificateDer: fields.base64('der'),
  }
}

function parseAccount(fields: Fields): AccountRecord {
  const id = parseId('account', fields.text('id'))
  if (id === undefined) throw new LogError('an account has no id')
  const termsAgreedAt = fields.optionalDate('termsAgreedAt')
  const eabKeyId = parseId('eab-key', fields.optionalText('eabKeyId') ?? '')
  const deactivatedAt = fields.optionalDate('deactivatedAt')
  const revokedAt = fields.optionalDate('revokedAt')
  const externalAccountBinding = fields.optionalInner('externalAccountBinding')?.value
  return {
    id,
    directory: fields.text('directory'),
    jwk: parseJwk(fields.inner('jwk')),
    thumbprint: fields.text('thumbprint'),
    spkiSha256: fields.text('spkiSha256'),
    contact: fields.texts('contact'),
    ...(termsAgreedAt && { termsAgreedAt }),
    ...(externalAccountBinding !== undefined && { externalAccountBinding }),
    ...(eabKeyId && { eabKeyId }),
    createdAt: fields.date('createdAt'),
    ...(deactivatedAt && { deactivatedAt }),
    ...(revokedAt && { revokedAt }),
  }
}

function parseJwk(fields: Fields): Jwk {
  const kty = fields.text('kty')
  switch (kty) {
    case 'EC': {
      const crv = fields.text('crv')
      if (crv !== 'P-256' && crv !== 'P-384' && crv !== 'P-521') throw new LogError('an account key has no known curve')
      return { kty, crv, x: fields.text('x'), y: fields.text('y') }
    }
    case 'RSA':
      return { kty, n: fields.text('n'), e: fields.text('e') }
    case 'OKP':
      return { kty, crv: 'Ed25519', x: fields.text('x') }
    default:
      throw new LogError('an account key is of no known kind')
  }
}

function parseEabKey(fields: Fields): EabKeyFacts {
  const id = parseId('eab-key', fields.text('id'))
  if (id === undefined) throw new LogError('an external account key has no id')
  const usedAt = fields.optionalDate('usedAt')
  const usedBy = parseId('account', fields.optionalText('usedBy') ?? '')
  const revokedAt = fields.optionalDate('revokedAt')
  const accountsEndAt = fields.optionalDate('accountsEndAt')
  const lineage = parseId('eab-key', fields.optionalText('lineage') ?? '')
  const maxUses = fields.value['maxUses'] === 'unlimited' ? 'unlimited' : fields.optionalCount('maxUses')
  const owner = fields.optionalText('owner')
  const attributes = fields.optionalInner('attributes')
  const directories = fields.optionalTexts('directories')
  const groups = fields.optionalTexts('groups')
  const scope = fields.optionalTexts('scope')
  const uses = fields.optionalCount('uses')
  const generation = fields.optionalCount('generation')
  return {
    id,
    directory: fields.text('directory'),
    label: fields.text('label'),
    createdAt: fields.date('createdAt'),
    expiresAt: fields.date('expiresAt'),
    ...(directories && { directories }),
    ...(owner !== undefined && { owner }),
    ...(attributes && { attributes: parseAttributes(attributes) }),
    ...(groups && { groups }),
    ...(scope && { scope }),
    ...(accountsEndAt && { accountsEndAt }),
    ...(maxUses !== undefined && { maxUses }),
    ...(uses !== undefined && { uses }),
    ...(usedAt && { usedAt }),
    ...(usedBy && { usedBy }),
    ...(revokedAt && { revokedAt }),
    ...(lineage && { lineage }),
    ...(generation !== undefined && { generation }),
  }
}

function parseAttributes(fields: Fields): Record<string, string> {
  return Object.fromEntries(Object.keys(fields.value).map((name) => [name, fields.text(name)]))
}

function parseReason(value: number): RevocationReason {
  switch (value) {
    case 0:
    case 1:
    case 3:
    case 4:
    case 5:
    case 9:
      return value
    default:
      throw new LogError(`${value} is no reason of revocation`)
  }
}
