import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createPrivateKey, generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { test } from 'node:test'
import { inspect } from 'node:util'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { createLogger, type LogLevel } from './pino-logger.ts'
import { Secret } from './secret.ts'

function recorder(level: LogLevel = 'info') {
  const lines: string[] = []
  const log = createLogger({ level, clock: new FakeClock('2026-03-01T12:00:00Z'), write: (line) => lines.push(line) })
  return { lines, log, last: () => JSON.parse(lines.at(-1) ?? '') as Record<string, unknown> }
}

test('a line is one JSON object with level, time, event and the fields', () => {
  const { lines, log, last } = recorder()
  log.info('order.created', {
    orderId: 'ord_1',
    names: ['a.test'],
    at: new Date('2026-01-02T03:04:05Z'),
    size: 3n,
    nothing: undefined,
  })
  assert.equal(lines.length, 1)
  assert.ok(lines[0]?.endsWith('}\n'))
  assert.deepEqual(last(), {
    level: 'info',
    time: '2026-03-01T12:00:00.000Z',
    event: 'order.created',
    orderId: 'ord_1',
    names: ['a.test'],
    at: '2026-01-02T03:04:05.000Z',
    size: '3',
  })
})

test('a child carries its fields into every line, and lines below the level are not written', () => {
  const { lines, log, last } = recorder('warn')
  const child = log.child({ requestId: 'req_1' }).child({ orderId: 'ord_1' })
  child.info('quiet')
  assert.equal(lines.length, 0)
  child.warn('loud')
  assert.equal(last()['requestId'], 'req_1')
  assert.equal(last()['orderId'], 'ord_1')
})

test('a field of a line or of a child takes the place of the bound one, unless it has no value', () => {
  const { lines, log, last } = recorder()
  const child = log.child({ requestId: 'req_1', accountId: 'acc_1' })
  child.info('one', { accountId: 'acc_2' })
  assert.equal(last()['accountId'], 'acc_2')
  child.info('two', { accountId: undefined })
  assert.equal(last()['accountId'], 'acc_1')
  child.child({ accountId: undefined, orderId: 'ord_1' }).info('three')
  assert.ok(lines.at(-1)?.includes('"event":"three","requestId":"req_1","accountId":"acc_1","orderId":"ord_1"}'))
  child.child({ accountId: 'acc_3' }).info('four')
  assert.deepEqual([last()['requestId'], last()['accountId']], ['req_1', 'acc_3'])
  for (const line of lines) assert.equal(line.match(/accountId/g)?.length, 1, line)
})

test('an error is written with message, code and cause', () => {
  const { log, last } = recorder()
  const cause = Object.assign(new Error('disk full'), { code: 'ENOSPC' })
  log.error('store.failed', { error: new Error('commit failed', { cause }) })
  const error = last()['error'] as { message: string; stack: string; cause: { code: string } }
  assert.equal(error.message, 'commit failed')
  assert.match(error.stack, /commit failed/)
  assert.equal(error.cause.code, 'ENOSPC')
})

test('KF-F20 names, contacts and headers from outside cannot break a line or drive a terminal', () => {
  const { lines, log, last } = recorder()
  const hostile = 'a\nb\r\u001b[31m\u0000\u007f\u0085\u009b2J\u2028\u2029\u202e\u2066\u200b\ufeff"\\end\ud800'
  log.info('acme.request', { userAgent: hostile, nested: { [hostile]: [hostile] } })
  assert.equal(lines.length, 1)
  const bytes = Buffer.from(lines[0]?.slice(0, -1) ?? '')
  assert.ok(
    bytes.every((byte) => byte >= 0x20 && byte < 0x7f),
    String(lines[0]),
  )
  assert.equal(String(last()['userAgent']).slice(0, -1), hostile.slice(0, -1))
})

test('KF-F20 no secret is written, in whatever field or depth it stands', () => {
  const { lines, log } = recorder()
  const planted = 'planted-secret-value'
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }) as string
  log.info('x', {
    macKey: new Secret(planted),
    deep: { list: [new Secret(planted)], map: new Map([['k', new Secret(planted)]]) },
    bytes: Buffer.from(planted),
    array: new Uint8Array(Buffer.from(planted)),
    key: privateKey,
    pem,
    error: new Error(`cannot read ${pem}`),
  })
  log.child({ token: new Secret(planted) }).info('y')
  const text = lines.join('')
  const body = pem.split('\n')[1] ?? ''
  for (const form of [planted, Buffer.from(planted).toString('hex'), Buffer.from(planted).toString('base64'), body]) {
    assert.equal(text.includes(form), false, form)
  }
  assert.equal(JSON.parse(lines[0] ?? '').bytes, `[${planted.length} bytes]`)
  assert.ok(createPrivateKey(pem))
})

test('KF-F20 a secret shows itself nowhere but by reveal', () => {
  const secret = new Secret('planted')
  for (const shown of [String(secret), JSON.stringify({ secret }), inspect({ secret }, { depth: 9 }), `${secret}`])
    assert.equal(shown.includes('planted'), false)
  assert.equal(secret.reveal(), 'planted')
})

test('fields cannot pass for the time, level or event of a line', () => {
  const { lines, log, last } = recorder()
  log.info('real', { event: 'forged', time: 'never', level: 'error' })
  assert.equal(last()['event'], 'real')
  assert.equal(lines[0]?.split('"event":').length, 2)
  assert.equal(last()['event_'], 'forged')
})

test('huge, deep, cyclic and throwing values end as a bounded line', () => {
  const { lines, log, last } = recorder()
  const cyclic: Record<string, unknown> = {}
  cyclic['self'] = cyclic
  const throwing = Object.defineProperty({}, 'bad', { enumerable: true, get: () => assert.fail('no') })
  log.info('x', {
    text: 'a'.repeat(1e6),
    list: Array(1e5).fill('b'),
    cyclic,
    throwing,
    nan: Number.NaN,
    fn: () => 1,
    invalid: new Date('x'),
    ['__proto__']: 1,
  })
  assert.ok((lines[0]?.length ?? 0) < 20_000)
  assert.equal(last()['nan'], 'NaN')
  assert.deepEqual(last()['throwing'], { bad: '[unreadable]' })
})

test('an error whose parts are not what they should be is a line like any other', () => {
  const cyclic: Record<string, unknown> = {}
  cyclic['self'] = cyclic
  const strange = [
    Object.assign(new Error('x'), { message: { deep: cyclic } }),
    Object.assign(new Error('x'), { message: undefined, stack: 5, name: cyclic, code: cyclic }),
    Object.defineProperty(new Error('x'), 'stack', {
      get: () => {
        throw new Error('no stack')
      },
    }),
  ]
  for (const error of strange) {
    const { log, lines } = recorder()
    log.error('strange', { error })
    assert.equal(lines.length, 1)
    assert.equal(JSON.parse(lines[0]!).event, 'strange')
  }
})

test('the ready line is written whatever the level, and nothing else below it', () => {
  const lines: string[] = []
  const log = createLogger({ level: 'error', clock: new FakeClock(), write: (line) => lines.push(line) })
  log.info('ready', { home: '/h' })
  log.child({ orderId: 'ord_1' }).warn('other')
  assert.equal(lines.length, 1)
  assert.match(lines[0]!, /"level":"info".*"event":"ready"/)
})

/** Logs 50 MB, says so, and goes on slowly until it is killed. */
const TALKATIVE = `
  const { createLogger } = await import('${new URL('pino-logger.ts', import.meta.url)}')
  const { systemClock } = await import('${new URL('../lib/clock.ts', import.meta.url)}')
  const log = createLogger({ level: 'info', clock: systemClock })
  const text = 'x'.repeat(1000)
  let number = 0
  for (let turn = 0; turn < 500; turn++) {
    for (let i = 0; i < 100; i++) log.info('much', { number: number++, text })
    await new Promise((resolve) => setImmediate(resolve))
  }
  process.stderr.write('waiting')
  setInterval(() => log.info('more', { number: number++ }), 20)
`

test('KF-F23 a reader that stands still costs lines, which are counted, and not all memory', async (t) => {
  const child = spawn(process.execPath, ['--input-type=module', '--eval', TALKATIVE], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  t.after(() => child.kill('SIGKILL'))
  await once(child.stderr, 'data')
  let text = ''
  child.stdout.setEncoding('utf8')
  for await (const chunk of child.stdout) {
    text += String(chunk)
    if (/"event":"more".*\n.*"event":"more"/.test(text.slice(-1000))) break
  }
  const found = text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as { event: string; number: number; lines?: number })
  let expected = 0
  let lost = 0
  for (const { event, number, lines = 0 } of found) {
    if (event === 'log.lost') {
      expected += lines
      lost += lines
    } else assert.equal(number, expected++, 'each line is there, or counted as lost')
  }
  assert.ok(lost > 25_000, `${lost} lines were lost`)
})

/** Logs more than a pipe holds, and ends as a process does that has nothing left to do, or has been hurt. */
const LAST_WORDS = `
  const { createLogger } = await import('${new URL('pino-logger.ts', import.meta.url)}')
  const { systemClock } = await import('${new URL('../lib/clock.ts', import.meta.url)}')
  const log = createLogger({ level: 'info', clock: systemClock })
  for (let number = 0; number < 5000; number++) log.info('much', { number, text: 'x'.repeat(1000) })
  process.stderr.write('logged')
  const lost = await log.end()
  process.stderr.write(' lost ' + lost)
  process.exit(3)
`

for (const reader of ['stands still', 'reads', 'went away'] as const) {
  test(`KF-E14 a process ends, with the code that it has, where the reader of its log ${reader}`, async (t) => {
    const child = spawn(process.execPath, ['--input-type=module', '--eval', LAST_WORDS], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    t.after(() => child.kill('SIGKILL'))
    let said = ''
    let read = 0
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said += text
    })
    if (reader === 'reads')
      child.stdout.on('data', (bytes: Buffer) => (read += bytes.toString().split('\n').length - 1))
    if (reader === 'went away') child.stdout.destroy()
    const [code] = await once(child, 'exit', { signal: AbortSignal.timeout(20_000) })
    if (child.stderr.readable) await once(child.stderr, 'end')
    assert.equal(code, 3)
    const lost = Number(/^logged lost (\d+)$/.exec(said)?.[1])
    if (reader === 'reads') assert.deepEqual({ lost, read }, { lost: 0, read: 5000 })
    else assert.ok(lost > 4000, `${lost} lines are told as lost`)
  })
}
