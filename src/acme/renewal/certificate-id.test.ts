import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SeededRandom } from '../../../test/support/seeded-random.ts'
import { parseCertificateId, renderCertificateId } from './certificate-id.ts'

test('the example of RFC 9773 §4.1 is read, leading zero octet and all', () => {
  const id = 'aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE'
  const expected = { issuerId: '69885b6b87464041e1b37b847ba0ae2cde01c8d4', serial: '0087654321' }
  assert.deepEqual(parseCertificateId(id), expected)
  assert.equal(renderCertificateId(expected), id)
})

test('one certificate has one spelling', () => {
  const good = 'aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE'
  const others = [
    `${good}=`,
    good.replace('AIdlQyE', 'AIdlQyF'), // bits behind the last octet
    good.replace('.', '=.'),
    good.replace('.', '..'),
    good.replace('.', ''),
    `${good}.AA`,
    ` ${good}`,
    `${good}\n`,
    good.replace('AIdlQyE', ''),
    good.replace('aYhba4dGQEHhs3uEe6CuLN4ByNQ', ''),
    good.replace('AIdlQyE', 'AA'), // zero
    good.replace('AIdlQyE', 'h2VDIQ'), // negative
    good.replace('AIdlQyE', 'AABlQyE'), // not minimal
    good.replace('AIdlQyE', Buffer.alloc(22, 1).toString('base64url')),
    `${Buffer.alloc(65).toString('base64url')}.AQ`,
    'a'.repeat(100_000),
    '',
    '.',
    '__proto__',
  ]
  for (const text of others) assert.equal(parseCertificateId(text), undefined, text.slice(0, 60))
})

test('every issuer and serial that we could have goes there and back', () => {
  const random = new SeededRandom('ids')
  for (let i = 0; i < 200; i++) {
    const serial = random.bytes(17)
    serial[0] = (serial[0] as number) & 0x7f || 1
    const id = { issuerId: random.bytes(20).toString('hex'), serial: serial.toString('hex') }
    assert.deepEqual(parseCertificateId(renderCertificateId(id)), id)
  }
})
