import { randomBytes } from 'node:crypto'
import { DatabaseSync } from 'node:sqlite'
import { type AccountId, newId } from '../src/lib/ids.ts'
import { systemRandom } from '../src/lib/random.ts'
import type { ProfileSnapshot } from '../src/store/records.ts'

const HOUR_MS = 3_600_000
/** The past over which the issuances are spread, and how long their certificates last: none is due for retention. */
const SPREAD_MS = 5 * 24 * HOUR_MS
const LIFETIME_MS = 7 * 24 * HOUR_MS
/** Rows of one transaction. */
const BATCH = 20_000
const DER_BYTES = { tbs: 420, certificate: 510 }

const PROFILE: ProfileSnapshot = {
  name: 'default',
  lifetimeSeconds: 86_400,
  maxLifetimeSeconds: 7 * 86_400,
  backdateSeconds: 60,
  extendedKeyUsages: ['serverAuth'],
  subject: 'empty',
  issuer: 'default',
}

/** Columns as they are in the schema; every row that an http-01 issuance leaves behind is here. */
const INSERTS = {
  accounts: `INSERT INTO accounts (id, directory, jwk, thumbprint, spki_sha256, contact, created_at, first_order_at)
    VALUES (?, 'default', ?, ?, ?, '[]', ?, ?)`,
  orders: `INSERT INTO orders (id, directory, account_id, identifiers, profile, created_at, expires_at, processing_at,
    csr_sha256, certificate_serial, ends_at) VALUES (?, 'default', ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  authorizations: `INSERT INTO authorizations (id, directory, account_id, identifier_type, identifier_value, wildcard,
    profile, created_at, expires_at) VALUES (?, 'default', ?, 'dns', ?, 0, 'default', ?, ?)`,
  challenges: `INSERT INTO challenges (id, authorization_id, position, type, token, responded_at, key_authorization,
    validated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
  links: 'INSERT INTO order_authorizations (order_id, position, authorization_id) VALUES (?, 0, ?)',
  certificates: `INSERT INTO certificates (issuer_id, serial, order_id, account_id, directory, identifiers, profile,
    spki_sha256, not_before, not_after, tbs_der, tbs_sha256, reserved_at, certificate_der, certificate_sha256, issued_at)
    VALUES (?, ?, ?, ?, 'default', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  names: 'INSERT INTO issued_name_sets (key, tat, renewable_until) VALUES (?, ?, ?)',
  audit: `INSERT INTO audit_events (at, event, request_id, directory, account_id, order_id, serial, data)
    VALUES (?, ?, ?, 'default', ?, ?, ?, ?)`,
}

/**
 * Writes the rows of `count` issuances into the database of a server that does not run: by plain inserts, without the
 * store, but into every table and index that an issuance fills, with ids and serials as it makes them. The certificates'
 * bytes are noise.
 *
 * @param options.account has every `every`-th order; the others belong to a thousand accounts
 * @returns ids of the orders of that account
 */
export function fillDatabase(
  path: string,
  options: { readonly count: number; readonly account: AccountId; readonly every: number; readonly now: Date },
): string[] {
  const { count, account, every, now } = options
  const connection = new DatabaseSync(path)
  connection.exec('PRAGMA synchronous = OFF')
  connection.exec('PRAGMA cache_size = -1000000')
  const insert = Object.fromEntries(
    Object.entries(INSERTS).map(([table, sql]) => [table, connection.prepare(sql)]),
  ) as Record<keyof typeof INSERTS, ReturnType<DatabaseSync['prepare']>>
  const issuerId = String(connection.prepare('SELECT issuer_id FROM crl_state LIMIT 1').get()?.['issuer_id'])
  const start = now.getTime() - SPREAD_MS

  const accounts = Array.from({ length: 1000 }, () => newId(systemRandom, 'account', new Date(start)))
  for (const id of accounts) insert.accounts.run(id, '{}', text(32), hex(32), start, start)
  const orderIds: string[] = []
  const event = (at: number, name: string, ids: (string | null)[], data: object): void => {
    const [requestId = null, accountId = null, orderId = null, serial = null] = ids
    insert.audit.run(at, name, requestId, accountId, orderId, serial, JSON.stringify(data))
  }
  for (let n = 0; n < count; n++) {
    if (n % BATCH === 0) connection.exec(n === 0 ? 'BEGIN' : 'COMMIT; BEGIN')
    const at = start + Math.floor((n / count) * (SPREAD_MS - HOUR_MS))
    const instant = new Date(at)
    const accountId = n % every === 0 ? account : accounts[n % accounts.length]!
    const name = `host-${n}.internal`
    const identifiers = JSON.stringify([{ type: 'dns', value: name }])
    const profile = JSON.stringify(PROFILE)
    const orderId = newId(systemRandom, 'order', instant)
    const authorizationId = newId(systemRandom, 'authorization', instant)
    const serial = `4${hex(16).slice(1)}`
    const spki = hex(32)
    if (accountId === account) orderIds.push(orderId)

    insert.authorizations.run(authorizationId, accountId, name, at, at + 8 * HOUR_MS)
    for (const [position, type] of ['http-01', 'dns-01', 'tls-alpn-01'].entries()) {
      const token = text(32)
      const answered = position === 0 ? [at, `${token}.${text(32)}`, at] : [null, null, null]
      insert.challenges.run(
        newId(systemRandom, 'challenge', instant),
        authorizationId,
        position,
        type,
        token,
        ...answered,
      )
    }
    const ends = at + 24 * HOUR_MS
    insert.orders.run(orderId, accountId, identifiers, profile, at, ends, at, hex(32), serial, at)
    insert.links.run(orderId, authorizationId)
    const [tbs, der] = [randomBytes(DER_BYTES.tbs), randomBytes(DER_BYTES.certificate)]
    const validity = [at, at + LIFETIME_MS]
    const certified = [identifiers, profile, spki, ...validity, tbs, hex(32), at, der, hex(32), at]
    insert.certificates.run(issuerId, serial, orderId, accountId, ...certified)
    insert.names.run(hex(16), at * 1000, at + LIFETIME_MS)

    const request = (): string => newId(systemRandom, 'request', instant)
    const facts = { issuerId, profile: 'default', identifiers: [`dns:${name}`], notAfter: instant.toISOString(), spki }
    event(at, 'order.created', [request(), accountId, orderId], { identifiers: facts.identifiers, profile: 'default' })
    event(at, 'challenge.responded', [request(), accountId], { authorizationId, type: 'http-01' })
    event(at, 'validation.succeeded', [null, accountId], {
      authorizationId,
      attempt: 1,
      evidence: { address: '10.0.0.1' },
    })
    const finalize = request()
    event(at, 'certificate.intended', [finalize, accountId, orderId, serial], { ...facts, reasons: ['allowed-dns'] })
    event(at, 'certificate.issued', [finalize, accountId, orderId, serial], facts)
  }
  connection.exec('COMMIT')
  connection.exec('PRAGMA wal_checkpoint(TRUNCATE)')
  connection.close()
  return orderIds
}

function text(bytes: number): string {
  return randomBytes(bytes).toString('base64url')
}

function hex(bytes: number): string {
  return randomBytes(bytes).toString('hex')
}
