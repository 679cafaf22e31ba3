import { z } from 'zod'
import { duration, listOf, rate, webUrl } from './values.ts'

/** What keeps the server alive, and what one client may take of it. */
export const limits = z
  .strictObject({
    enabled: z
      .boolean()
      .default(true)
      .describe(
        '`false` switches all rate limits and the limit of connections per address off, for a measurement; the bounds that keep the server alive stay',
      ),
    bodyBytes: z
      .number()
      .int()
      .min(1024)
      .max(1 << 20)
      .default(50_000)
      .describe('bytes of one request body'),
    identifiersPerOrder: z.number().int().min(1).max(1000).default(100).describe('names in one order'),
    connections: z.number().int().min(16).default(10_000).describe('open connections of one listener'),
    connectionsPerAddress: z
      .number()
      .int()
      .min(1)
      .default(4_000)
      .describe('of these, from one address (IPv6: one /64)'),
    requestTimeout: duration.default(30).describe('for the whole of one request to arrive'),
    handshakes: z
      .number()
      .int()
      .min(16)
      .max(65_536)
      .default(4_096)
      .describe('TLS handshakes that wait for their turn; more are cut off'),
    requests: z.number().int().min(8).max(10_000).default(256).describe('signed requests being worked on at once'),
    queueDelayMs: z
      .number()
      .int()
      .min(20)
      .max(10_000)
      .default(300)
      .describe(
        'milliseconds that a new order or account may wait for its turn before it is refused with 503; orders in flight may wait ten times as long',
      ),
    queueLength: z
      .number()
      .int()
      .min(16)
      .max(65_536)
      .default(4_096)
      .describe('requests that wait for their turn, at most'),
    issuances: z
      .number()
      .int()
      .min(1)
      .max(10_000)
      .default(256)
      .describe('certificates being signed and stored at once; more are answered 503, and their orders stay ready'),
    validationBacklog: z
      .number()
      .int()
      .min(16)
      .max(1_000_000)
      .default(20_000)
      .describe('validations not ended, above which no new orders are taken'),
    clockTolerance: duration.default(60).describe('how far the wall clock may go back before signing stops'),
    requestsPerAddress: rate('300000/1m burst 150000').describe('all requests from one network address'),
    newNoncesPerAddress: rate('120000/1m burst 60000').describe('of these, requests for nonces'),
    failedRequestsPerAddress: rate('6000/1m').describe('of these, those that could not be authenticated'),
    newAccountsPerAddress: rate('10000/1h').describe('accounts registered from one network address'),
    newNamesPerAccount: rate('50000/1h').describe('names ordered by one account, renewals not counted'),
    newNamesPerExternalKey: rate('50000/1h').describe('the same for all accounts of one external account key'),
    newNamesPerDirectory: rate('200000/1h').describe('the same for a whole directory'),
    certificatesPerParent: rate('100000/1h').describe(
      'certificates for names under one parent name; when used up, orders for new names there are refused',
    ),
    certificatesPerNameSet: rate('2000/1d').describe('certificates for exactly the same names to one account'),
    renewalsPerNameSet: rate('60/1h').describe('renewals of the same names that are not counted as new names'),
    revocations: rate('20000/1h').describe('revocations by one account, or signed by keys from one network address'),
    keyChangesPerAccount: rate('60/1h burst 30').describe('changes of the key of one account'),
    renewableFor: duration
      .default(7 * 86_400)
      .describe('how long after its end a certificate can still be renewed: an order for its names counts none as new'),
    parentLabels: z
      .number()
      .int()
      .min(0)
      .max(127)
      .default(0)
      .describe('labels of a parent name, counted from the end; 0: all but the first of the name'),
    ipv6NetworkFactor: z
      .number()
      .int()
      .min(1)
      .max(65_536)
      .default(4)
      .describe('an IPv6 address counts by its /64; all of a /48 together may have this many times as much'),
    trustedProxies: listOf(z.string())
      .default([])
      .describe('CIDR blocks of proxies whose `X-Forwarded-For` tells the network address of the client'),
    pauseAfterFailures: z
      .number()
      .int()
      .min(0)
      .max(1_000_000)
      .default(10)
      .describe('failed proofs of one name by one account in a row, after which orders for it are refused; 0: never'),
    pauseFor: duration.default(900).describe('how long; twice as long with each further failure'),
    pauseAtMost: duration.default(86_400).describe('the longest pause'),
    helpUrl: webUrl.optional().describe('URL that refusals link to with `rel="help"`, such as your own page on limits'),
  })
  .prefault({})
