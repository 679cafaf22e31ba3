import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eventLines } from './event-text.ts'

const AT = new Date('2026-01-01T12:00:00Z')

test('what an audit event noted is told in lines, without JSON', () => {
  const data = {
    type: 'http-01',
    identifier: { type: 'dns', value: 'www.corp.test' },
    identifiers: [
      { type: 'dns', value: 'a.test' },
      { type: 'ip', value: '10.0.0.1' },
    ],
    names: ['dns:a.test', 'dns:b.test'],
    wildcard: false,
    attempt: 2,
    evidence: { address: '127.0.0.1', resolver: null },
    problem: { type: 'connection', detail: 'nobody answers', status: 400 },
    reasons: [
      { rule: 'one', code: 'name-denied' },
      { rule: 'two', code: 'key' },
    ],
    lookups: [{ name: 'a.test', servers: [{ server: '127.0.0.1:53', outcome: 'answered' }] }],
    none: [],
    nothing: '',
  }
  assert.deepEqual(eventLines({ at: AT, event: 'validation.failed', requestId: 'req_x', serial: '4f01', data }), [
    '  2026-01-01T12:00:00.000Z  validation.failed  req_x 4f01',
    '    type              http-01',
    '    identifier        dns:www.corp.test',
    '    identifiers       dns:a.test, ip:10.0.0.1',
    '    names             dns:a.test, dns:b.test',
    '    wildcard          false',
    '    attempt           2',
    '    evidence.address  127.0.0.1',
    '    problem.type      connection',
    '    problem.detail    nobody answers',
    '    problem.status    400',
    '    reasons.1         rule one; code name-denied',
    '    reasons.2         rule two; code key',
    '    lookups.1         name a.test; servers.1 (server 127.0.0.1:53; outcome answered)',
  ])
})

test('an event that noted nothing is one line, and what is nested without end has an end', () => {
  assert.deepEqual(eventLines({ at: AT, event: 'clock.accepted', data: {} }), [
    '  2026-01-01T12:00:00.000Z  clock.accepted',
  ])
  let deep: unknown = 1
  for (let level = 0; level < 10; level++) deep = { next: deep }
  const lines = eventLines({ at: AT, event: 'odd', data: { deep } })
  assert.match(lines[1] ?? '', /^ {4}deep(?:\.next){6} {2}\{"next":/)
})
