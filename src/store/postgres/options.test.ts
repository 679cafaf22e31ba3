import assert from 'node:assert/strict'
import { test } from 'node:test'
import { describeAddress, parsePostgresUrl } from './options.ts'

test('a URL names host, port, user and database; over the network the server must prove its name', () => {
  assert.deepEqual(parsePostgresUrl('postgres://chancery@db.corp.example/ca'), {
    host: 'db.corp.example',
    port: 5432,
    user: 'chancery',
    database: 'ca',
    sslMode: 'verify-full',
  })
  assert.deepEqual(parsePostgresUrl('postgresql://ch%40ncery@[fd00::1]:6432/ca?sslmode=verify-ca'), {
    host: 'fd00::1',
    port: 6432,
    user: 'ch@ncery',
    database: 'ca',
    sslMode: 'verify-ca',
  })
})

test('a Unix socket is named by its folder, and like loopback needs no TLS', () => {
  const expected = { host: '/run/postgresql', port: 5432, user: 'chancery', database: 'ca', sslMode: 'disable' }
  assert.deepEqual(parsePostgresUrl('postgres://chancery@%2Frun%2Fpostgresql/ca'), expected)
  assert.deepEqual(parsePostgresUrl('postgres://chancery@localhost/ca?host=/run/postgresql'), expected)
  const loopback = parsePostgresUrl('postgres://chancery@127.0.0.1/ca')
  assert.equal(typeof loopback === 'object' && loopback.sslMode, 'disable')
})

test('what cannot be used is said in a sentence, and a password in a URL is refused without repeating it', () => {
  for (const [url, said] of [
    ['postgres://chancery:s3cret@db/ca', /passwordFile/],
    ['postgres://chancery@db/ca?password=s3cret', /passwordFile/],
    ['postgres://chancery@db', /one database/],
    ['postgres://chancery@db/ca/more', /one database/],
    ['postgres://db/ca', /no user/],
    ['postgres://chancery@db/ca?sslmode=prefer', /sslmode prefer is not known/],
    ['postgres://chancery@db/ca?options=-c', /parameter options/],
    ['postgres://chancery@db:port/ca', /not a URL/],
    ['http://chancery@db/ca', /must begin with postgres/],
  ] as const) {
    const found = parsePostgresUrl(url)
    assert.ok(typeof found === 'string', url)
    assert.match(found, said)
    assert.doesNotMatch(found, /s3cret/)
  }
})

test('in messages the address stands without its user', () => {
  const address = parsePostgresUrl('postgres://chancery@%2Frun%2Fpostgresql/ca')
  assert.equal(typeof address === 'object' && describeAddress(address), 'postgres://%2Frun%2Fpostgresql:5432/ca')
})
