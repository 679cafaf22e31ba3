import { z } from 'zod'
import { duration, httpsUrl, httpUrl, listenAddress, listOf } from './values.ts'

/** Where clients reach ACME. */
export const publicUrl = httpsUrl
  .optional()
  .describe(
    'every ACME URL is built from it, never from `Host`; default: `https://localhost:` and the port of `listeners.acme`',
  )

/** Where they did. */
export const formerPublicUrls = listOf(httpsUrl)
  .default([])
  .describe(
    'earlier values of `publicUrl`, still accepted in `kid` and `url` of requests, so that clients survive a move',
  )

/** Where relying parties reach CRLs and CA certificates. */
export const publicHttpUrl = httpUrl
  .optional()
  .describe(
    'base of the CRL and issuer addresses that certificates carry; cannot be changed in issued ones; default: `http://localhost:` and the port of `listeners.public`',
  )

/** Where the server listens. */
export const listeners = z
  .strictObject({
    acme: listenAddress.default('127.0.0.1:8443').describe('HTTPS: ACME, and `/root.pem`'),
    public: listenAddress.default('127.0.0.1:8080').describe('plain HTTP: CRLs, issuing CA certificates, the root'),
    admin: listenAddress
      .default('127.0.0.1:8444')
      .describe(
        'plain HTTP: `/metrics`, `/healthz`, `/readyz`; a loopback address only, because it has no authentication yet',
      ),
  })
  .prefault({})

/** Its own certificate. */
export const tls = z
  .strictObject({
    names: listOf(z.string())
      .default([])
      .describe('more names and addresses for the server certificate, beside the host of `publicUrl`'),
    lifetime: duration
      .default(7 * 86_400)
      .describe('validity of the server certificate, which renews itself at two thirds of it; at least an hour'),
  })
  .prefault({})
