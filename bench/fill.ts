import { randomBytes } from 'node:crypto'
import { DatabaseSync } from 'node:sqlite'
import { type AccountId, newId } from '../src/lib/ids.ts'
import { systemRandom } from '../src/lib/random.ts'
import { auditData, decisionJson, type Issuance, PROFILE } from './issuance-facts.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
/** The past over which the issuances are spread, and how long their certificates last: none is due for retention. */
const SPREAD_MS = 5 * DAY_MS
const LIFETIME_MS = PROFILE.lifetimeSeconds * 1000
/** As long as the store remembers a name, and a set of them, at least. */
const NAME_KEPT_MS = 91 * DAY_MS
/** Rows of one transaction. */
const BATCH = 20_000
const DER_BYTES = { tbs: 545, certificate: 634 }
const PROFILE_JSON = JSON.stringify(PROFILE)
const CHALLENGES = ['http-01', 'dns-01', 'tls-alpn-01']

/**
 * Columns as they are in the schema; every row that an http-01 issuance leaves behind is here, where a rule asks how often
 * a name is certified. `test/integration/bench-fill.test.ts` compares them with what an issuance leaves.
 */
const INSERTS = {
  accounts: `INSERT INTO accounts (id, directory, jwk, thumbprint, spki_sha256, contact, created_at, first_order_at)
    VALUES (?, 'default', ?, ?, ?, '[]', ?, ?)`,
  orders: `INSERT INTO orders (id, directory, account_id, identifiers, profile, created_at, expires_at, processing_at,
    csr_sha256, certificate_serial, ends_at) VALUES (?, 'default', ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  authorizations: `INSERT INTO authorizations (id, directory, account_id, identifier_type, identifier_value, wildcard,
    profile, created_at, expires_at) VALUES (?, 'default', ?, 'dns', ?, 0, '${PROFILE.name}', ?, ?)`,
  challenges: `INSERT INTO challenges (id, authorization_id, position, type, token, responded_at, key_authorization,
    validated_at, answered_from) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  links: 'INSERT INTO order_authorizations (order_id, position, authorization_id) VALUES (?, 0, ?)',
  certificates: `INSERT INTO certificates (issuer_id, serial, order_id, account_id, directory, identifiers, profile,
    spki_sha256, not_before, not_after, tbs_der, tbs_sha256, reserved_at, certificate_der, certificate_sha256, issued_at)
    VALUES (?, ?, ?, ?, 'default', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  nameSets: 'INSERT INTO issued_name_sets (key, tat, renewable_until) VALUES (?, ?, ?)',
  names: `INSERT INTO issued_names (name, position, account_id, issuer_id, serial, reserved_at, not_before, not_after,
    ends_at) VALUES (?, 1, ?, ?, ?, ?, ?, ?, ?)`,
  decisions: `INSERT INTO decisions (at, stage, outcome, reference, directory, account_id, order_id, serial, version,
    request, decision) VALUES (?, 'issuance', 'allow', ?, 'default', ?, ?, ?, ?, ?, ?)`,
  audit: `INSERT INTO audit_events (at, event, request_id, directory, account_id, order_id, serial, data)
    VALUES (?, ?, ?, 'default', ?, ?, ?, ?)`,
}

type Inserts = Record<keyof typeof INSERTS, ReturnType<DatabaseSync['prepare']>>

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
  ) as Inserts
  const issuerId = String(connection.prepare('SELECT issuer_id FROM crl_state LIMIT 1').get()?.['issuer_id'])
  const start = now.getTime() - SPREAD_MS

  const accounts = Array.from({ length: 1000 }, () => newId(systemRandom, 'account', new Date(start)))
  for (const id of accounts) {
    const jwk = JSON.stringify({ kty: 'EC', crv: 'P-256', x: text(32), y: text(32) })
    insert.accounts.run(id, jwk, text(32), hex(32), start, start)
  }
  const orderIds: string[] = []
  for (let n = 0; n < count; n++) {
    if (n % BATCH === 0) connection.exec(n === 0 ? 'BEGIN' : 'COMMIT; BEGIN')
    const at = start + Math.floor((n / count) * (SPREAD_MS - HOUR_MS))
    const instant = new Date(at)
    const issuance: Issuance = {
      accountId: n % every === 0 ? account : accounts[n % accounts.length]!,
      orderId: newId(systemRandom, 'order', instant),
      authorizationId: newId(systemRandom, 'authorization', instant),
      challengeIds: CHALLENGES.map(() => newId(systemRandom, 'challenge', instant)),
      name: `host-${n}.internal`,
      issuerId,
      serial: `4${hex(17).slice(1)}`,
      spkiSha256: hex(32),
      at,
    }
    if (issuance.accountId === account) orderIds.push(issuance.orderId)
    insertOrder(insert, issuance)
    insertCertificate(insert, issuance)
    insertHistory(insert, issuance)
  }
  connection.exec('COMMIT')
  connection.exec('PRAGMA wal_checkpoint(TRUNCATE)')
  connection.close()
  return orderIds
}

function insertOrder(insert: Inserts, issuance: Issuance): void {
  const { accountId, orderId, authorizationId, challengeIds, name, serial, at } = issuance
  insert.authorizations.run(authorizationId, accountId, name, at, at + 8 * HOUR_MS)
  for (const [position, type] of CHALLENGES.entries()) {
    const token = text(32)
    const answered = position === 0 ? [at, `${token}.${text(32)}`, at, '10.0.0.1'] : [null, null, null, null]
    insert.challenges.run(challengeIds[position] ?? '', authorizationId, position, type, token, ...answered)
  }
  const ends = at + DAY_MS
  insert.orders.run(orderId, accountId, namesJson(name), PROFILE_JSON, at, ends, at, hex(32), serial, at)
  insert.links.run(orderId, authorizationId)
}

function insertCertificate(insert: Inserts, issuance: Issuance): void {
  const { accountId, orderId, name, issuerId, serial, spkiSha256, at } = issuance
  const [tbs, der] = [randomBytes(DER_BYTES.tbs), randomBytes(DER_BYTES.certificate)]
  const validity = [at, at + LIFETIME_MS]
  const certified = [namesJson(name), PROFILE_JSON, spkiSha256, ...validity, tbs, hex(32), at, der, hex(32), at]
  insert.certificates.run(issuerId, serial, orderId, accountId, ...certified)
  insert.nameSets.run(text(32), at * 1000, at + LIFETIME_MS)
  const ends = at + Math.max(LIFETIME_MS, NAME_KEPT_MS)
  insert.names.run(`dns:${name}`, accountId, issuerId, serial, at, ...validity, ends)
}

function insertHistory(insert: Inserts, issuance: Issuance): void {
  const { accountId, orderId, serial, at } = issuance
  const [ordered, answered, finalized] = Array.from({ length: 3 }, () => newId(systemRandom, 'request', new Date(at)))
  const certificate = [accountId, orderId, serial]
  for (const [event, request = null, ...ids] of [
    ['order.created', ordered, accountId, orderId, null],
    ['challenge.responded', answered, accountId, null, null],
    ['validation.succeeded', null, accountId, null, null],
    ['certificate.intended', finalized, ...certificate],
    ['certificate.issued', finalized, ...certificate],
  ] as const)
    insert.audit.run(at, event, request, ...ids, JSON.stringify(auditData(event, issuance)))
  const { version, request, decision } = decisionJson(issuance)
  insert.decisions.run(at, finalized ?? null, ...certificate, version, request, decision)
}

function namesJson(name: string): string {
  return JSON.stringify([{ type: 'dns', value: name }])
}

function text(bytes: number): string {
  return randomBytes(bytes).toString('base64url')
}

function hex(bytes: number): string {
  return randomBytes(bytes).toString('hex')
}
