import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readSubject } from './subject.ts'

const REFERENCE = `req_${'a'.repeat(22)}`
const ORDER = `ord_${'b-_'.repeat(7)}b`

test('a reference, an order or a serial is known in every form that an operator may have it in', () => {
  for (const [text, kind, id] of [
    [REFERENCE, 'reference', REFERENCE],
    [` ${REFERENCE}\n`, 'reference', REFERENCE],
    [ORDER, 'order', ORDER],
    [`https://ca.test/acme/default/order/${ORDER}`, 'order', ORDER],
    [`https://ca.test/acme/default/order/${ORDER}/finalize`, 'order', ORDER],
    ['4f01ab', 'serial', '4f01ab'],
    ['4F:01:AB', 'serial', '4f01ab'],
    ['0x4f01AB', 'serial', '4f01ab'],
    ['f01ab', 'serial', '0f01ab'],
    ['https://ca.test/acme/default/certificate/4f01ab', 'serial', '4f01ab'],
    ['https://ca.test/acme/default/certificate/4f01ab/1', 'serial', '4f01ab'],
  ] as const)
    assert.deepEqual(readSubject(text), { kind, id }, text)
})

test('anything else is nothing', () => {
  for (const text of ['', ':', '0x', 'www.corp.test', 'req_short', 'acc_'.padEnd(26, 'a'), 'ab'.repeat(21), "'; --"])
    assert.equal(readSubject(text), undefined, text)
})
