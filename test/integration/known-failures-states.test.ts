import assert from 'node:assert/strict'
import { glob, readFile } from 'node:fs/promises'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { authorization } from '../../src/acme/endpoints/authorization.ts'
import { certificate } from '../../src/acme/endpoints/certificate.ts'
import { challenge } from '../../src/acme/endpoints/challenge.ts'
import { finalize } from '../../src/acme/endpoints/finalize.ts'
import { newOrder } from '../../src/acme/endpoints/new-order.ts'
import { order } from '../../src/acme/endpoints/order.ts'
import { orders } from '../../src/acme/endpoints/orders.ts'
import { revokeCert } from '../../src/acme/endpoints/revoke-cert.ts'
import { AcmeError } from '../../src/acme/problem.ts'
import { downloadLeaf, openFor, serialIn, until } from '../support/acme-orders.ts'
import type { AcmeWorld, TestAccount } from '../support/acme-world.ts'
import { identifiers, idIn } from '../support/acme-world.ts'

/** An order on its way, and what belongs to it. */
interface Subject {
  readonly world: AcmeWorld
  readonly by: TestAccount
  readonly name: string
  readonly params: { readonly id: string }
  readonly authorizationId: string
  readonly challengeId: string
  readonly csr: string
  /** A finalize that waits for the key. */
  pending?: Promise<unknown>
}

const prove = ({ world, by, authorizationId }: Subject): Promise<void> => world.prove(by, authorizationId)
const issue = async (subject: Subject): Promise<{ json: { certificate: string } }> => {
  await prove(subject)
  return subject.world.call(finalize, { by: subject.by, params: subject.params, payload: { csr: subject.csr } })
}

/** How an order comes into each state. */
const BRING: Record<string, (subject: Subject) => Promise<unknown>> = {
  pending: async () => undefined,
  ready: prove,
  processing: async (subject) => {
    await prove(subject)
    subject.world.signingKey.close()
    const { world, by, params, csr } = subject
    subject.pending = world.call(finalize, { by, params, payload: { csr } })
    await until(() => world.signingKey.waiting > 0)
  },
  valid: issue,
  revoked: async (subject) => {
    const { json } = await issue(subject)
    const der = await downloadLeaf(subject.world, subject.by, serialIn(json.certificate))
    await subject.world.call(revokeCert, { by: subject.by, payload: { certificate: der.toString('base64url') } })
  },
  invalid: ({ world, by, authorizationId }) => world.disprove(by, authorizationId),
  expired: ({ world }) => world.clock.advance(8 * 86_400_000),
  'account revoked': async (subject) => {
    await prove(subject)
    const database = new DatabaseSync(subject.world.path)
    database
      .prepare('UPDATE accounts SET revoked_at = ? WHERE id = ?')
      .run(subject.world.clock.now().getTime(), subject.by.record.id)
    database.close()
  },
}

const serialOf = async ({ world, by, params }: Subject): Promise<string> => {
  const { json } = await world.call(order, { by, params })
  return json.certificate === undefined ? '0a'.repeat(17) : serialIn(json.certificate)
}

const OPERATIONS: Record<string, (subject: Subject) => Promise<{ json: { status?: string } | undefined }>> = {
  'read order': ({ world, by, params }) => world.call(order, { by, params }),
  'finalize with the same CSR': ({ world, by, params, csr }) => {
    const finalized = world.call(finalize, { by, params, payload: { csr } })
    world.signingKey.open()
    return finalized
  },
  'finalize with another CSR': ({ world, by, params, name }) => {
    const finalized = world.call(finalize, { by, params, payload: { csr: world.csr([name]).csr } })
    world.signingKey.open()
    return finalized
  },
  'finalize with nonsense': ({ world, by, params }) => world.call(finalize, { by, params, payload: { csr: 'AAAA' } }),
  'list orders': ({ world, by }) => world.call(orders, { by, params: { id: by.record.id } }),
  'respond to the challenge': ({ world, by, challengeId }) =>
    world.call(challenge, { by, params: { id: challengeId }, payload: {} }),
  'give up the authorization': ({ world, by, authorizationId }) =>
    world.call(authorization, { by, params: { id: authorizationId }, payload: { status: 'deactivated' } }),
  'download the certificate': async (subject) =>
    subject.world.call(certificate, { by: subject.by, params: { serial: await serialOf(subject) } }),
  'revoke the certificate': async (subject) => {
    const { world, by } = subject
    const serial = await serialOf(subject)
    const [found] = await world.store.certificates.findBySerial(serial)
    const der = found?.certificateDer ?? world.issuing.certificateDer
    return world.call(revokeCert, { by, payload: { certificate: der.toString('base64url') } })
  },
}

/** What each operation answers in each state: the status shown, `ok` where none is, or the problem type. */
const EXPECTED: Record<string, Record<string, string>> = {
  'read order': {
    pending: 'pending',
    ready: 'ready',
    processing: 'processing',
    valid: 'valid',
    revoked: 'valid',
    invalid: 'invalid',
    expired: 'invalid',
    'account revoked': 'ready',
  },
  'finalize with the same CSR': {
    pending: 'orderNotReady',
    ready: 'valid',
    processing: 'processing',
    valid: 'valid',
    revoked: 'valid',
    invalid: 'orderNotReady',
    expired: 'orderNotReady',
    'account revoked': 'orderNotReady',
  },
  'finalize with another CSR': {
    pending: 'orderNotReady',
    ready: 'valid',
    processing: 'orderNotReady',
    valid: 'orderNotReady',
    revoked: 'orderNotReady',
    invalid: 'orderNotReady',
    expired: 'orderNotReady',
    'account revoked': 'orderNotReady',
  },
  'finalize with nonsense': {
    pending: 'orderNotReady',
    ready: 'badCSR',
    processing: 'orderNotReady',
    valid: 'orderNotReady',
    revoked: 'orderNotReady',
    invalid: 'orderNotReady',
    expired: 'orderNotReady',
    'account revoked': 'badCSR',
  },
  'list orders': {
    pending: 'ok',
    ready: 'ok',
    processing: 'ok',
    valid: 'ok',
    revoked: 'ok',
    invalid: 'ok',
    expired: 'ok',
    'account revoked': 'ok',
  },
  'respond to the challenge': {
    pending: 'processing',
    ready: 'valid',
    processing: 'valid',
    valid: 'valid',
    revoked: 'valid',
    invalid: 'malformed',
    expired: 'malformed',
    'account revoked': 'valid',
  },
  'give up the authorization': {
    pending: 'deactivated',
    ready: 'deactivated',
    processing: 'deactivated',
    valid: 'deactivated',
    revoked: 'deactivated',
    invalid: 'invalid',
    expired: 'expired',
    'account revoked': 'deactivated',
  },
  'download the certificate': {
    pending: 'malformed',
    ready: 'malformed',
    processing: 'malformed',
    valid: 'ok',
    revoked: 'ok',
    invalid: 'malformed',
    expired: 'malformed',
    'account revoked': 'malformed',
  },
  'revoke the certificate': {
    pending: 'unauthorized',
    ready: 'unauthorized',
    processing: 'unauthorized',
    valid: 'ok',
    revoked: 'alreadyRevoked',
    invalid: 'unauthorized',
    expired: 'unauthorized',
    'account revoked': 'unauthorized',
  },
}

for (const [operation, byState] of Object.entries(EXPECTED)) {
  test(`KF-E05 ${operation}: the expected answer in every state of the order`, async (t) => {
    const seen: Record<string, string> = {}
    for (const [state, bring] of Object.entries(BRING)) {
      const world = await openFor(t)
      const by = await world.account()
      const name = `${state.replace(' ', '-')}.test`
      const placed = await world.call(newOrder, { by, payload: identifiers(name) })
      const authorizationId = idIn(placed.json.authorizations[0])
      const shown = await world.call(authorization, { by, params: { id: authorizationId } })
      const subject: Subject = {
        world,
        by,
        name,
        params: { id: idIn(placed.location) },
        authorizationId,
        challengeId: idIn(shown.json.challenges[0].url),
        csr: world.csr([name]).csr,
      }
      await bring(subject)
      try {
        seen[state] = (await OPERATIONS[operation]?.(subject))?.json?.status ?? 'ok'
      } catch (error) {
        if (!(error instanceof AcmeError)) throw error
        seen[state] = error.type
      } finally {
        world.signingKey.open()
        await subject.pending
      }
    }
    assert.deepEqual(seen, byState)
  })
}

test('KF-B15 nothing in the source compares a secret with === or !==', async () => {
  const root = fileURLToPath(new URL('../../src', import.meta.url))
  // Whether there is one at all may be asked.
  const secret =
    /(?:mac|hmac|secret|passphrase|mackey|keyauthorization|signature|digest)\s*[!=]==(?!\s*(?:undefined|null|''))/i
  const found: string[] = []
  let files = 0
  for await (const file of glob('**/*.ts', { cwd: root })) {
    if (file.endsWith('.test.ts')) continue
    files++
    const lines = (await readFile(`${root}/${file}`, 'utf8')).split('\n')
    for (const [n, line] of lines.entries()) if (secret.test(line)) found.push(`${file}:${n + 1} ${line.trim()}`)
  }
  assert.ok(files > 100)
  assert.deepEqual(found, [])
})
