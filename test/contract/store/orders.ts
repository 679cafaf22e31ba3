import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { OrderId } from '../../../src/lib/ids.ts'
import {
  auditEvent,
  authorizationRecord,
  certificateRecord,
  dnsName,
  hours,
  later,
  orderRecord,
  problem,
} from '../../support/records.ts'
import {
  begin,
  complete,
  createAccount,
  eventNames,
  firstChallengeId,
  placeOrder,
  prove,
  readyOrder,
  respond,
  times,
  type WithStore,
} from './harness.ts'

export function ordersContract(withStore: WithStore): void {
  test('an order comes back as given, its authorizations in the order of its identifiers', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const account = await createAccount(store, now)
      for (const count of [1, 2, 100]) {
        const names = times(count, (i) => dnsName(`host-${count - i}.test`))
        const { order, authorizations } = await placeOrder(store, account, names, now, {
          notBefore: now,
          notAfter: later(now, hours(5)),
        })
        const expected = { order, authorizations }
        assert.deepEqual(await store.orders.find(account.directory, account.id, order.id), expected)
        assert.deepEqual(await store.orders.get(order.id), expected)
      }
      const mixed = [dnsName('*.wild.test'), { type: 'ip', value: '10.0.0.1' } as const, dnsName('wild.test')]
      const placed = await placeOrder(store, account, mixed, now)
      assert.deepEqual(await store.orders.get(placed.order.id), { ...placed })
      assert.deepEqual(await eventNames(store, placed.order.id), ['order.created'])
    }))

  test('KF-B09 an order of another account or directory is absent', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const account = await createAccount(store, now)
      const stranger = await createAccount(store, now)
      const { order } = await placeOrder(store, account, [dnsName('a.test')], now)
      assert.equal(await store.orders.find(account.directory, stranger.id, order.id), undefined)
      assert.equal(await store.orders.find('other', account.id, order.id), undefined)
      const missing = orderRecord(account, [], now).id
      assert.equal(await store.orders.find(account.directory, account.id, missing), undefined)
      assert.equal(await store.orders.get(missing), undefined)
      const page = { now, limit: 10 }
      assert.deepEqual(await store.orders.listIds(account.directory, stranger.id, page), { orderIds: [] })
      assert.deepEqual(await store.orders.listIds('other', account.id, page), { orderIds: [] })
    }))

  test('an order may reuse pending and valid authorizations, and starts from where they are', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const account = await createAccount(store, now)
      const first = await placeOrder(store, account, [dnsName('a.test'), dnsName('b.test')], now)
      const [a, b] = first.authorizations
      assert.ok(a && b)
      await prove(store, a, now)
      const second = orderRecord(account, [dnsName('b.test'), dnsName('a.test')], now)
      const links = { authorizationIds: [b.id, a.id], newAuthorizations: [] }
      assert.equal(await store.orders.create(second, { ...links, now, audit: auditEvent(now, 'x') }), 'created')
      const found = await store.orders.get(second.id)
      assert.deepEqual(
        found?.authorizations.map(({ id }) => id),
        [b.id, a.id],
      )
      assert.deepEqual(found?.authorizations[1]?.challenges[0]?.validatedAt, now)
    }))

  test('an order is stale, and leaves nothing behind, when what it would reuse is no longer usable', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const account = await createAccount(store, now)
      const stranger = await createAccount(store, now)
      const names = times(5, (i) => dnsName(`${i}.test`))
      const { authorizations } = await placeOrder(store, account, names, now)
      const [failed, deactivated, expired, good] = authorizations
      assert.ok(failed && deactivated && expired && good)
      const audit = auditEvent(now, 'x')
      await respond(store, failed, now)
      const why = { owner: 'runner 1', now, error: problem('no'), orderError: problem('no'), audit }
      await store.validationJobs.fail(firstChallengeId(failed), why)
      await store.authorizations.deactivate(account.directory, account.id, deactivated.id, {
        now,
        error: problem('no'),
        audit,
      })
      const foreign = (await placeOrder(store, stranger, [dnsName('4.test')], now)).authorizations[0]
      assert.ok(foreign)

      const attempts = [
        { at: now, reuse: failed },
        { at: now, reuse: deactivated },
        { at: expired.expiresAt, reuse: expired },
        { at: now, reuse: foreign },
        { at: now, reuse: authorizationRecord(account, dnsName('unknown.test'), now) },
      ]
      const before = await store.retention.counts()
      for (const { at, reuse } of attempts) {
        const fresh = authorizationRecord(account, dnsName('fresh.test'), at)
        const order = orderRecord(account, [dnsName('fresh.test'), reuse.identifier], at)
        const links = { authorizationIds: [fresh.id, reuse.id], newAuthorizations: [fresh] }
        assert.equal(await store.orders.create(order, { ...links, now: at, audit }), 'stale')
        assert.equal(await store.orders.get(order.id), undefined)
      }
      assert.deepEqual(await store.retention.counts(), before)
    }))

  test('KF-B24 an account that ended since its request was authenticated gets no order and no authorization', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const account = await createAccount(store, now)
      const order = orderRecord(account, [dnsName('a.test')], now)
      const fresh = authorizationRecord(account, dnsName('a.test'), now)
      const audit = auditEvent(now, 'x', { orderId: order.id })
      const place = () =>
        store.orders.create(order, { authorizationIds: [fresh.id], newAuthorizations: [fresh], now, audit })
      const error = problem('ended')
      await store.accounts.deactivate(account.directory, account.id, { now, error, audit: auditEvent(now, 'x') })
      assert.equal(await place(), 'account-ended')
      assert.equal(await store.authorizations.create(fresh, audit), 'account-ended')
      const counts = await store.retention.counts()
      assert.deepEqual([counts['orders'], counts['authorizations']], [0, 0])
      assert.deepEqual(await eventNames(store, order.id), [])
    }))

  test('KF-B24 KF-E06 an order that races with the end of its account is not placed, or fails with it', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      for (let round = 0; round < 20; round++) {
        const account = await createAccount(store, now)
        const orders = times(3, (i) => orderRecord(account, [dnsName(`${i}.test`)], now))
        const end = () =>
          store.accounts.deactivate(account.directory, account.id, {
            now,
            error: problem('ended'),
            audit: auditEvent(now, 'x'),
          })
        const place = async (order: (typeof orders)[number]) => {
          const fresh = authorizationRecord(account, order.identifiers[0] ?? assert.fail(), now)
          const links = { authorizationIds: [fresh.id], newAuthorizations: [fresh], now, audit: auditEvent(now, 'x') }
          return store.orders.create(order, links)
        }
        const [first, second, third] = orders
        assert.ok(first && second && third)
        await Promise.all([place(first), end(), place(second), place(third)])
        for (const { id } of orders) {
          const found = await store.orders.get(id)
          if (found !== undefined)
            assert.ok(found.order.failedAt, `an order of an ended account is open: round ${round}`)
        }
      }
    }))

  test('KF-B24 an order placed while its account ends: there is none, or it has failed', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      for (let round = 0; round < 20; round++) {
        const account = await createAccount(store, now)
        const order = orderRecord(account, [dnsName('a.test')], now)
        const fresh = authorizationRecord(account, dnsName('a.test'), now)
        const audit = auditEvent(now, 'x')
        const deactivate = () =>
          store.accounts.deactivate(account.directory, account.id, { now, error: problem('ended'), audit })
        const place = () =>
          store.orders.create(order, { authorizationIds: [fresh.id], newAuthorizations: [fresh], now, audit })
        const [first, second] = round % 2 === 0 ? [deactivate, place] : [place, deactivate]
        const outcomes = await Promise.all([first(), second()])
        const found = await store.orders.get(order.id)
        if (outcomes.includes('account-ended')) assert.equal(found, undefined)
        else assert.deepEqual(found?.order.failedAt, now)
      }
    }))

  test('KF-A06 an order cannot be linked to a proof of something else, nor to fewer than it names', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const account = await createAccount(store, now)
      const audit = auditEvent(now, 'x')
      const plain = authorizationRecord(account, dnsName('a.test'), now)
      await store.authorizations.create(plain, audit)
      const reuse = { authorizationIds: [plain.id], newAuthorizations: [], now, audit }
      for (const name of [dnsName('*.a.test'), dnsName('b.test'), { type: 'ip', value: 'a.test' } as const]) {
        await assert.rejects(store.orders.create(orderRecord(account, [name], now), reuse), { code: 'failed' })
      }
      const two = orderRecord(account, [dnsName('a.test'), dnsName('b.test')], now)
      await assert.rejects(store.orders.create(two, reuse), { code: 'failed' })
      await assert.rejects(store.orders.create(orderRecord(account, [], now), { ...reuse, authorizationIds: [] }), {
        code: 'failed',
      })
      assert.equal((await store.retention.counts())['orders'], 0)
    }))

  test('the list of orders is newest first, in pages: 0, 1, a page, one more than a page, many', () =>
    withStore(async ({ store, clock }) => {
      const account = await createAccount(store, clock.now())
      const newestFirst: OrderId[] = []
      for (const count of [0, 1, 3, 4, 10]) {
        while (newestFirst.length < count) {
          // Two orders share each instant.
          if (newestFirst.length % 2 === 0) await clock.advance(1000)
          const { order } = await placeOrder(store, account, [dnsName('a.test')], clock.now())
          newestFirst.unshift(order.id)
        }
        const pages: OrderId[][] = []
        let cursor: string | undefined
        do {
          const page = await store.orders.listIds(account.directory, account.id, {
            now: clock.now(),
            limit: 3,
            ...(cursor !== undefined && { cursor }),
          })
          pages.push(page.orderIds)
          cursor = page.nextCursor
        } while (cursor !== undefined)
        assert.deepEqual(new Set(pages.flat()), new Set(newestFirst))
        assert.equal(pages.flat().length, count)
        assert.deepEqual(
          pages.map((page) => page.length),
          times(Math.max(1, Math.ceil(count / 3)), (i) => Math.min(3, count - 3 * i)),
        )
        const instants = await Promise.all(
          pages.flat().map(async (id) => (await store.orders.get(id))?.order.createdAt.getTime() ?? 0),
        )
        assert.deepEqual(
          instants,
          instants.toSorted((a, b) => b - a),
        )
      }
    }))

  test('KF-F15 one page looks at a bounded number of orders: past many invalid ones, pages are short and lead on', () =>
    withStore(async ({ store, clock }) => {
      const account = await createAccount(store, clock.now())
      const [old] = await Promise.all([placeOrder(store, account, [dnsName('old.test')], clock.now())])
      await clock.advance(1000)
      const now = clock.now()
      const ended = later(now, hours(1))
      await Promise.all(
        times(1100, () => placeOrder(store, account, [dnsName('invalid.test')], now, { expiresAt: ended })),
      )
      await clock.advance(hours(2))
      const fresh = await placeOrder(store, account, [dnsName('fresh.test')], clock.now())
      const pages: (readonly OrderId[])[] = []
      let cursor: string | undefined
      do {
        const page = await store.orders.listIds(account.directory, account.id, {
          now: clock.now(),
          limit: 10,
          ...(cursor !== undefined && { cursor }),
        })
        pages.push(page.orderIds)
        cursor = page.nextCursor
      } while (cursor !== undefined)
      assert.deepEqual(pages, [[fresh.order.id], [old.order.id]])
    }))

  test('an order placed while a client pages is not shown twice, and no older one is skipped', () =>
    withStore(async ({ store, clock }) => {
      const account = await createAccount(store, clock.now())
      const placed: OrderId[] = []
      for (let i = 0; i < 4; i++) {
        await clock.advance(1000)
        placed.unshift((await placeOrder(store, account, [dnsName('a.test')], clock.now())).order.id)
      }
      const first = await store.orders.listIds(account.directory, account.id, { now: clock.now(), limit: 2 })
      await clock.advance(1000)
      await placeOrder(store, account, [dnsName('a.test')], clock.now())
      assert.ok(first.nextCursor)
      const page = { now: clock.now(), limit: 2, cursor: first.nextCursor }
      const second = await store.orders.listIds(account.directory, account.id, page)
      assert.deepEqual([...first.orderIds, ...second.orderIds], placed)
    }))

  test('a cursor that we never gave out lists nothing', () =>
    withStore(async ({ store, clock }) => {
      const account = await createAccount(store, clock.now())
      await placeOrder(store, account, [dnsName('a.test')], clock.now())
      for (const cursor of ['', 'x', '1', `${'9'.repeat(40)}.ord_x`, `1.${'x'.repeat(10_000)}`, "1.' OR 1=1", '\0']) {
        const page = { now: clock.now(), limit: 2, cursor }
        assert.deepEqual(await store.orders.listIds(account.directory, account.id, page), { orderIds: [] })
      }
    }))

  test('failed and expired orders are not listed, claimed and issued ones are for as long as they exist', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const account = await createAccount(store, now)
      const failed = await placeOrder(store, account, [dnsName('a.test')], now)
      await store.orders.fail(failed.order.id, { now, error: problem('no'), audit: auditEvent(now, 'x') })
      await placeOrder(store, account, [dnsName('b.test')], now)
      const claimed = await readyOrder(store, account, [dnsName('c.test')], now)
      assert.equal(await begin(store, certificateRecord(now, claimed), now), 'begun')
      const issued = await readyOrder(store, account, [dnsName('d.test')], now)
      const certificate = certificateRecord(now, issued)
      assert.equal(await begin(store, certificate, now), 'begun')
      assert.equal(await complete(store, certificate, now), 'completed')
      const list = async (at: Date) =>
        (await store.orders.listIds(account.directory, account.id, { now: at, limit: 10 })).orderIds
      assert.equal((await list(now)).length, 3)
      assert.deepEqual(new Set(await list(later(now, hours(24)))), new Set([claimed.order.id, issued.order.id]))
    }))

  test('failing an order happens once, also while it is processing, never after it has a certificate', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const account = await createAccount(store, now)
      const fail = (id: OrderId, detail: string) =>
        store.orders.fail(id, { now, error: problem(detail), audit: auditEvent(now, 'order.failed', { orderId: id }) })
      const claimed = await readyOrder(store, account, [dnsName('c.test')], now)
      assert.equal(await begin(store, certificateRecord(now, claimed), now), 'begun')
      await fail(claimed.order.id, 'first')
      await fail(claimed.order.id, 'second')
      const found = await store.orders.get(claimed.order.id)
      assert.deepEqual(found?.order.error, problem('first'))
      assert.deepEqual(found?.order.failedAt, now)
      assert.deepEqual(await eventNames(store, claimed.order.id), ['order.created', 'order.failed'])

      const issued = await readyOrder(store, account, [dnsName('d.test')], now)
      const certificate = certificateRecord(now, issued)
      assert.equal(await begin(store, certificate, now), 'begun')
      assert.equal(await complete(store, certificate, now), 'completed')
      await fail(issued.order.id, 'late')
      assert.equal((await store.orders.get(issued.order.id))?.order.failedAt, undefined)
      await fail(orderRecord(account, [], now).id, 'unknown')
    }))
}
