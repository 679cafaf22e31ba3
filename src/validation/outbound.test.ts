import assert from 'node:assert/strict'
import { PassThrough } from 'node:stream'
import { after, afterEach, before, beforeEach, test } from 'node:test'
import { type FakeDns, startFakeDns } from '../../test/support/fake-dns.ts'
import { startTcpTarget, type Target } from '../../test/support/http-target.ts'
import { anOutbound, aProbe, aResolver, dnsHost, ipHost, until } from '../../test/support/probe.ts'
import { type Clock, systemClock } from '../lib/clock.ts'
import { DeadlinePassed, withDeadline } from './deadline.ts'
import { ValidationFailure } from './failure.ts'
import type { Connection } from './outbound.ts'

let dns: FakeDns
let target: Target
before(async () => {
  dns = await startFakeDns()
})
after(() => dns.close())
beforeEach(async () => {
  target = await startTcpTarget()
})
afterEach(() => target.close())

const door = (options: Parameters<typeof anOutbound>[1] = {}) => anOutbound(aResolver([dns.resolver]), options)
const addressOf = async ({ address }: Connection): Promise<string> => address

function failure(type: string, hopeless: boolean, pattern: RegExp): (error: unknown) => boolean {
  return (error) =>
    error instanceof ValidationFailure &&
    error.type === type &&
    error.hopeless === hopeless &&
    pattern.test(error.message)
}

test('KF-A11 a name that leads to a refused address is refused, and nobody there sees a connection', async () => {
  dns.set('in.test', 'A', '127.0.0.1')
  dns.set('in.test', 'AAAA', '::ffff:127.0.0.1')
  const outcome = door({ allow: [] }).withConnection(dnsHost('in.test'), target.port, aProbe(), addressOf)
  await assert.rejects(outcome, failure('connection', true, /127\.0\.0\.1 is a loopback address/))
  assert.equal(target.accepted, 0)
})

test('KF-A11 KF-A29 a listener of our own is no target, whatever the path, unless opened by address and port', async () => {
  const ownListeners = [{ address: '0.0.0.0', port: target.port }]
  const host = ipHost('127.0.0.1')
  await assert.rejects(
    door({ ownListeners }).withConnection(host, target.port, aProbe(), addressOf),
    failure('connection', true, /listener of this server/),
  )
  assert.equal(target.accepted, 0)
  const opened = door({ ownListeners, allow: [`127.0.0.1:${target.port}`] })
  assert.equal(await opened.withConnection(host, target.port, aProbe(), addressOf), '127.0.0.1')
})

test('KF-A12 a name is resolved once for a connection, and what is dialled is what was judged', async () => {
  let asked = 0
  dns.script('rebind.test', ({ type, name }) => {
    if (type !== 'A') return {}
    asked++
    return { answers: [{ name, type, data: asked === 1 ? '127.0.0.2' : '127.0.0.1' }] }
  })
  const probe = aProbe()
  const outcome = door({ allow: ['127.0.0.2/32'] }).withConnection(
    dnsHost('rebind.test'),
    target.port,
    probe,
    addressOf,
  )
  await assert.rejects(outcome, failure('connection', false, /127\.0\.0\.2/))
  assert.equal(asked, 1)
  assert.equal(target.accepted, 0)
  assert.deepEqual(
    probe.evidence.connections.map(({ address }) => address),
    ['127.0.0.2'],
  )
})

test('an address that is refused is passed over, and one that is allowed is used', async () => {
  dns.set('mixed.test', 'AAAA', '::1')
  dns.set('mixed.test', 'A', '127.0.0.1')
  const probe = aProbe()
  const host = dnsHost('mixed.test')
  assert.equal(await door({ allow: ['127.0.0.0/8'] }).withConnection(host, target.port, probe, addressOf), '127.0.0.1')
  assert.deepEqual(
    probe.evidence.connections.map(({ address, outcome }) => [address, outcome]),
    [
      ['::1', 'refused by policy'],
      ['127.0.0.1', 'connected'],
    ],
  )
})

test('CQ-V11 IPv6 is tried first, IPv4 after it within the attempt, and a failure names both', async () => {
  dns.set('dual.test', 'AAAA', '::1')
  dns.set('dual.test', 'A', '127.0.0.1')
  assert.equal(await door().withConnection(dnsHost('dual.test'), target.port, aProbe(), addressOf), '127.0.0.1')
  const { port } = target
  await target.close()
  await assert.rejects(
    door().withConnection(dnsHost('dual.test'), port, aProbe(), addressOf),
    failure('connection', false, new RegExp(`\\[::1\\]:${port} .*; 127\\.0\\.0\\.1:${port} refused`)),
  )
})

test('CQ-V11 when nobody answers in time, or the attempt ends meanwhile, the detail names what was tried', async () => {
  dns.set('dual.test', 'AAAA', '::1')
  dns.set('dual.test', 'A', '127.0.0.1')
  // Time is up before any connection can be made.
  const hasty: Clock = {
    ...systemClock,
    after(_ms, ring) {
      queueMicrotask(ring)
      return () => {}
    },
  }
  const { port } = target
  await assert.rejects(
    door({ clock: hasty }).withConnection(dnsHost('dual.test'), port, aProbe(), addressOf),
    failure(
      'connection',
      false,
      new RegExp(`\\[::1\\]:${port} did not answer.*; 127\\.0\\.0\\.1:${port} did not answer`),
    ),
  )
  const outbound = door()
  const outcome = withDeadline(hasty, 60, aProbe().signal, (signal) =>
    outbound.withConnection(ipHost('127.0.0.1'), port, aProbe(signal), addressOf),
  )
  await assert.rejects(outcome, failure('connection', false, /127\.0\.0\.1:\d+ was not tried/))
  assert.equal(outbound.open, 0)
})

test('KF-F08 who waits in vain for its turn at a busy address fails with a reason, and may try again', async () => {
  const outbound = door({ maxPerAddress: 1 })
  let leave = (): void => {}
  const host = ipHost('127.0.0.1')
  const occupied = outbound.withConnection(
    host,
    target.port,
    aProbe(),
    () => new Promise<void>((resolve) => (leave = resolve)),
  )
  await until(() => target.accepted === 1)
  const controller = new AbortController()
  const waiting = outbound.withConnection(host, target.port, aProbe(controller.signal), addressOf)
  await new Promise((resolve) => setImmediate(resolve))
  controller.abort(new DeadlinePassed(20_000))
  await assert.rejects(waiting, failure('connection', false, /as many connections from here as it may/))
  leave()
  await occupied
  assert.equal(target.accepted, 1)
  assert.equal(outbound.open, 0)
})

test('a name without addresses and a name that does not exist are dns failures that say which', async () => {
  dns.set('text.test', 'TXT', 'x')
  const to = (name: string) => door().withConnection(dnsHost(name), 80, aProbe(), addressOf)
  await assert.rejects(to('text.test'), failure('dns', false, /text\.test has no address/))
  await assert.rejects(to('none.test'), failure('dns', false, /none\.test does not exist/))
  dns.script('broken.test', () => ({ rcode: 'SERVFAIL' }))
  await assert.rejects(to('broken.test'), failure('dns', false, /broken\.test could not be looked up.*SERVFAIL/))
})

test('a refused address ends the challenge only where there is no other that may still be found', async () => {
  dns.script('half.test', ({ type, name }) =>
    type === 'AAAA' ? { answers: [{ name, type, data: '::1' }] } : { rcode: 'SERVFAIL' },
  )
  dns.set('third.test', 'A', '127.0.0.1', '127.0.0.2', '10.0.0.3')
  const to = (name: string) => door({ allow: [] }).withConnection(dnsHost(name), 80, aProbe(), addressOf)
  await assert.rejects(to('half.test'), failure('connection', false, /::1 is a loopback.*A records .*SERVFAIL/))
  await assert.rejects(to('third.test'), failure('connection', false, /127\.0\.0\.2 is .*1 more was not tried/))
})

test('KF-F08 a name with hundreds of addresses is tried at a few of them only', async () => {
  const many = Array.from({ length: 200 }, (_, i) => `127.0.1.${i + 1}`)
  dns.set('many.test', 'A', ...many)
  const { port } = target
  await target.close()
  const probe = aProbe()
  await assert.rejects(door().withConnection(dnsHost('many.test'), port, probe, addressOf), ValidationFailure)
  assert.equal(probe.evidence.connections.length, 2)
})

test('KF-F08 connections to one address at once are bounded, and the others wait', async () => {
  const outbound = door({ maxPerAddress: 3 })
  let most = 0
  let now = 0
  const visit = () =>
    outbound.withConnection(ipHost('127.0.0.1'), target.port, aProbe(), async () => {
      now++
      most = Math.max(most, now)
      await new Promise((resolve) => setImmediate(resolve))
      now--
    })
  await Promise.all(Array.from({ length: 20 }, visit))
  assert.equal(most, 3)
  await until(() => target.accepted === 20)
  assert.equal(outbound.open, 0)
})

test('an attempt that is called off in the moment of its connection does no work on it', async () => {
  const stop = new AbortController()
  const socket = new PassThrough()
  const outbound = anOutbound(aResolver([dns.resolver]), {
    dial: async () => {
      queueMicrotask(() => queueMicrotask(() => stop.abort(new Error('stops'))))
      return socket
    },
  })
  let worked = 0
  const outcome = outbound.withConnection(ipHost('127.0.0.1'), 80, aProbe(stop.signal), async () => worked++)
  await assert.rejects(outcome, /stops/)
  assert.deepEqual([worked, socket.destroyed, outbound.open], [0, true, 0])
})

test('KF-A15 the socket is destroyed when the work ends, fails, or is called off', async () => {
  const outbound = door()
  await outbound.withConnection(ipHost('127.0.0.1'), target.port, aProbe(), addressOf)
  await assert.rejects(
    outbound.withConnection(ipHost('127.0.0.1'), target.port, aProbe(), () => Promise.reject(new Error('work failed'))),
    /work failed/,
  )
  const controller = new AbortController()
  const hanging = outbound.withConnection(
    ipHost('127.0.0.1'),
    target.port,
    aProbe(controller.signal),
    ({ socket }) => new Promise((_, reject) => socket.once('close', () => reject(new Error('socket closed')))),
  )
  await until(() => target.accepted === 3)
  controller.abort(new Error('stop'))
  await assert.rejects(hanging, /socket closed/)
  await until(() => target.open === 0)
  assert.equal(outbound.open, 0)
})
