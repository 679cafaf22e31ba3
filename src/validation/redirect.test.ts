import assert from 'node:assert/strict'
import { test } from 'node:test'
import { dnsHost, ipHost } from '../../test/support/probe.ts'
import { ValidationFailure } from './failure.ts'
import { followRedirect, type Hop, hostHeader, isRedirect } from './redirect.ts'

const FROM: Hop = { scheme: 'http', host: dnsHost('www.corp.test'), port: 80, path: '/.well-known/acme-challenge/abc' }

function follow(location: string | undefined, ownPort = 80): Hop {
  return followRedirect(location, FROM, ownPort)
}

function refusedBecause(pattern: RegExp): (error: unknown) => boolean {
  return (error) => error instanceof ValidationFailure && error.type === 'unauthorized' && pattern.test(error.message)
}

test('KF-A10 301, 302, 307 and 308 are redirects and nothing else is', () => {
  const statuses = [200, 201, 204, 300, 301, 302, 303, 304, 305, 306, 307, 308, 309, 400, 404, 500]
  assert.deepEqual(statuses.filter(isRedirect), [301, 302, 307, 308])
})

test('KF-A10 absolute, relative and scheme-less locations are followed', () => {
  assert.deepEqual(follow('https://x.test/a?b=c#d'), {
    scheme: 'https',
    host: dnsHost('x.test'),
    port: 443,
    path: '/a?b=c',
  })
  assert.deepEqual(follow('/other'), { ...FROM, path: '/other' })
  assert.deepEqual(follow('//X.test/y'), { ...FROM, host: dnsHost('x.test'), path: '/y' })
  assert.deepEqual(follow('http://[2600::1]/y'), { ...FROM, host: ipHost('2600::1'), path: '/y' })
})

test('KF-A10 other schemes, ports, credentials, over-long paths and things that are not URLs are refused', () => {
  const table: [string | undefined, RegExp][] = [
    [undefined, /without a Location/],
    ['', /without a Location/],
    ['http://[', /not a URL/],
    ['http://[fe80::1%25eth0]/', /not a URL/],
    ['ftp://x.test/', /scheme/],
    ['file:///etc/passwd', /scheme/],
    ['gopher://x.test/', /scheme/],
    ['http://x.test:8080/', /port/],
    ['http://x.test:22/', /port/],
    ['http://user:secret@x.test/', /credentials/],
    ['http://x_y.test/', /neither a DNS name/],
    ['http://x.test./', /neither a DNS name/],
    [`http://x.test/${'a'.repeat(2000)}`, /more than 2000/],
  ]
  for (const [location, reason] of table) assert.throws(() => follow(location), refusedBecause(reason), location)
  assert.equal(follow(`/${'a'.repeat(1999)}`).path.length, 2000)
})

test('KF-A10 the configured validation port is followed, and both web ports on either scheme', () => {
  assert.equal(follow('http://x.test:5002/', 5002).port, 5002)
  assert.equal(follow('https://x.test:80/').port, 80)
  assert.equal(follow('http://x.test:443/').port, 443)
})

test('KF-A13 every spelling of an address that a URL parser takes becomes the bytes of that address', () => {
  const loopback = [
    '127.0.0.1',
    '127.1',
    '127.0.1',
    '2130706433',
    '0x7f000001',
    '0x7f.1',
    '0177.0.0.1',
    '0177.1',
    '017700000001',
    '0x7F.0x0.0x0.0x1',
    '127.0.0.1.',
    '127.0.0.0x1',
    '00000177.0.0.1',
    '0x7f.0.1',
    '127.0.0.01',
    '127.000.000.001',
    '%31%32%37.0.0.1',
    '１２７.0.0.1',
    '127。0。0。1',
    '①②⑦.⓪.⓪.①',
    '0x7f000001.',
    '2130706433.',
  ]
  for (const text of loopback) assert.deepEqual(follow(`http://${text}/`).host, ipHost('127.0.0.1'), text)
  const v6: [string, string][] = [
    ['[::1]', '::1'],
    ['[0:0:0:0:0:0:0:1]', '::1'],
    ['[0000::0001]', '::1'],
    ['[::0.0.0.1]', '::1'],
    ['[::ffff:127.0.0.1]', '::ffff:127.0.0.1'],
    ['[::FFFF:7F00:1]', '::ffff:127.0.0.1'],
    ['[0:0:0:0:0:ffff:127.0.0.1]', '::ffff:127.0.0.1'],
    ['[64:ff9b::127.0.0.1]', '64:ff9b::7f00:1'],
    ['[FE80::1]', 'fe80::1'],
    ['[2002:7f00:1::]', '2002:7f00:1::'],
  ]
  for (const [text, address] of v6) assert.deepEqual(follow(`http://${text}/`).host, ipHost(address), text)
  for (const text of ['256.0.0.1', '1.2.3.4.5', '0x7f.0.0.0.1', '4294967296', '[::1', '[1:2]', '[::ffff:0177.0.0.1]']) {
    assert.throws(() => follow(`http://${text}/`), ValidationFailure, text)
  }
})

test('KF-A14 the text of a refused location does not reach the detail', () => {
  for (const location of ['ftp://secret-of-the-host.test/', 'http://a:hunter2@x.test/', 'http://x_secret_y.test/']) {
    assert.throws(
      () => follow(location),
      (error: Error) => !/secret|hunter2/.test(error.message),
    )
  }
})

test('CQ-V10 Host is the bare identifier, IPv6 in brackets, on the validation port and the port of the scheme', () => {
  assert.equal(hostHeader(FROM, 80), 'www.corp.test')
  assert.equal(hostHeader({ ...FROM, port: 5002 }, 5002), 'www.corp.test')
  assert.equal(hostHeader({ ...FROM, host: ipHost('2600::1') }, 80), '[2600::1]')
  assert.equal(hostHeader({ ...FROM, scheme: 'https', port: 443 }, 80), 'www.corp.test')
  assert.equal(hostHeader({ ...FROM, port: 443 }, 80), 'www.corp.test:443')
})
