import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, type TestContext, test } from 'node:test'
import { missingPostgres, type PostgresServer, startPostgres } from '../../../test/support/postgres-server.ts'
import { accountRecord, auditEvent, hours, later } from '../../../test/support/records.ts'
import { generateTestKey } from '../../../test/support/test-keys.ts'
import { type SampleCa, sampleCa, sampleLeaf } from '../../../test/support/x509-samples.ts'
import { openStore } from '../../app/open-store.ts'
import { readConfig } from '../../config/read.ts'
import { systemClock } from '../../lib/clock.ts'
import type { Identifier } from '../../lib/identifier.ts'
import { encodePem } from '../../lib/pem.ts'
import { systemRandom } from '../../lib/random.ts'
import { basicConstraints, subjectAltName } from '../../x509/extensions.ts'
import type { Store } from '../store.ts'

const now = new Date(Math.floor(systemClock.now().getTime() / 1000) * 1000)
const VALID = { notBefore: later(now, -hours(1)), notAfter: later(now, hours(1)) }
const OVER = { notBefore: later(now, -hours(2)), notAfter: later(now, -hours(1)) }

const LOCALHOST: Identifier = { type: 'dns', value: 'localhost' }
const LOOPBACK: Identifier = { type: 'ip', value: '127.0.0.1' }
const ANOTHER: Identifier = { type: 'dns', value: 'db.corp.test' }

/** A certificate of a server, and its key. */
function identity(ca: SampleCa, name: Identifier, validity = VALID): { cert: string; key: string } {
  const key = generateTestKey('ES256')
  const extensions = [basicConstraints({ ca: false }), subjectAltName([name], true)]
  const der = sampleLeaf(ca, [], { key, extensions, fields: validity })
  return {
    cert: encodePem('CERTIFICATE', der),
    key: key.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  }
}

describe('the connection to PostgreSQL over TLS', { skip: missingPostgres() ?? false }, () => {
  const [ca, strangers] = [sampleCa('Database CA', { fields: VALID }), sampleCa('Another CA', { fields: VALID })]
  let server: PostgresServer
  let home: string
  before(async () => {
    home = await mkdtemp(join(tmpdir(), 'chancery-pg-tls-'))
    await writeFile(join(home, 'db-ca.pem'), encodePem('CERTIFICATE', ca.certificate.der))
    await writeFile(join(home, 'strangers.pem'), encodePem('CERTIFICATE', strangers.certificate.der))
    await writeFile(join(home, 'empty.pem'), 'to be done\n')
    server = await startPostgres()
  })
  after(async () => {
    await server?.stop()
    await rm(home, { recursive: true, force: true })
  })

  /** As an operator configures it. */
  async function open(
    t: TestContext,
    how: { readonly sslMode: string; readonly host?: string; readonly caFile?: string; readonly database?: string },
  ): Promise<Store> {
    const { sslMode, host = 'localhost', caFile = 'db-ca.pem', database = 'postgres' } = how
    const config = await readConfig({
      home,
      set: [
        `store.url=postgres://postgres@${host}:${server.port}/${database}?sslmode=${sslMode}`,
        ...(caFile === '' ? [] : [`store.postgres.caFile=${caFile}`]),
      ],
    })
    const store = await openStore(config.database, { clock: systemClock, random: systemRandom })
    t.after(() => store.close())
    return store
  }

  const connections = (database: string): Promise<string> =>
    server.sql(
      database,
      `SELECT string_agg(DISTINCT ssl || ' ' || coalesce(version, '-'), ',')
       FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = 'chancery' AND datname = '${database}'`,
    )

  test('a server without TLS is refused by every mode that asks for it, with what to do', async (t) => {
    await server.useTls()
    for (const sslMode of ['require', 'verify-ca', 'verify-full'])
      await assert.rejects(open(t, { sslMode }), {
        code: 'failed',
        message: /^postgres:\/\/localhost:\d+\/postgres: the database server has no TLS; set ssl = on/,
      })
  })

  test('verify-full: with the CA and the name of the server the store works from end to end, all of it encrypted', async (t) => {
    for (const [host, name] of [
      ['localhost', LOCALHOST],
      ['127.0.0.1', LOOPBACK],
    ] as const) {
      await server.useTls(identity(ca, name))
      const database = await server.createDatabase()
      const store = await open(t, { sslMode: 'verify-full', host, database })
      const account = accountRecord(now)
      await Promise.all(
        [account, accountRecord(now), accountRecord(now)].map((one) =>
          store.accounts.create(one, { now, audit: auditEvent(now, 'account.created') }),
        ),
      )
      assert.equal((await store.accounts.find(account.directory, account.id))?.thumbprint, account.thumbprint)
      assert.match(await connections(database), /^true TLSv1\.[23]$/)
    }
  })

  test('a server whose certificate comes from another CA is refused by verify-full and verify-ca; require lets it pass', async (t) => {
    await server.useTls(identity(strangers, LOCALHOST))
    for (const sslMode of ['verify-full', 'verify-ca'])
      for (const caFile of ['db-ca.pem', ''])
        await assert.rejects(open(t, { sslMode, caFile }), {
          code: 'failed',
          message: /comes from no CA that is trusted here .*store\.postgres\.caFile/,
        })
    const store = await open(t, { sslMode: 'require' })
    await store.ping()
    assert.match(await connections('postgres'), /^true TLSv1\.[23]$/)
    await (await open(t, { sslMode: 'verify-full', caFile: 'strangers.pem' })).ping()
  })

  test('a server with a certificate for another name is refused by verify-full alone', async (t) => {
    for (const [host, name] of [
      ['localhost', ANOTHER],
      // An address is not the name that it stands for.
      ['127.0.0.1', LOCALHOST],
    ] as const) {
      await server.useTls(identity(ca, name))
      await assert.rejects(open(t, { sslMode: 'verify-full', host }), {
        code: 'failed',
        message: /is for another name \(.*does not match certificate's altnames.*\); call the server in store\.url/s,
      })
      for (const sslMode of ['verify-ca', 'require']) await (await open(t, { sslMode, host })).ping()
    }
  })

  test('a certificate that is over is refused by verify-full and verify-ca', async (t) => {
    await server.useTls(identity(ca, LOCALHOST, OVER))
    for (const sslMode of ['verify-full', 'verify-ca'])
      await assert.rejects(open(t, { sslMode }), { code: 'failed', message: /is out of its time \(.*expired.*\)/ })
  })

  test('a file of CAs that is not there, or holds none, is named', async (t) => {
    for (const [caFile, said] of [
      ['absent.pem', /the file of store\.postgres\.caFile cannot be read \(ENOENT/],
      ['empty.pem', /the file of store\.postgres\.caFile, .*empty\.pem, holds no certificate in PEM/],
    ] as const)
      await assert.rejects(open(t, { sslMode: 'verify-full', caFile }), { code: 'failed', message: said })
  })
})
