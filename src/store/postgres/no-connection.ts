import { StoreError } from '../store.ts'
import { sqlState, toStoreError } from './errors.ts'

/** Why TLS found a chain that leads to no CA of ours (OpenSSL's X509_V_ERR_…, as Node.js names them). */
const UNKNOWN_CA = new Set([
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'CERT_SIGNATURE_FAILURE',
  'CERT_UNTRUSTED',
])

/** Why no connection was made. Wrong settings are said as such, for the start; everything else passes by itself. */
export function noConnection(error: unknown): StoreError {
  const state = sqlState(error)
  const detail = error instanceof Error ? error.message : String(error)
  const wrong = (message: string): StoreError => new StoreError('failed', message, { cause: error })
  if (state?.startsWith('28'))
    return wrong(
      `the database server does not let us in (${detail}); check the user of store.url, store.postgres.passwordFile and pg_hba.conf`,
    )
  if (state === '3D000') return wrong(`${detail}; make it: createdb, see docs/postgresql.md`)
  if (/unsupported startup parameter/.test(detail))
    return wrong(`${detail}; behind a pooler set store.postgres.pooler to true`)
  const advice = state === undefined ? tlsAdvice(error, detail) : undefined
  if (advice !== undefined) return wrong(advice)
  const mapped = state === undefined ? undefined : toStoreError(error, 'no connection to the database')
  return mapped instanceof StoreError
    ? mapped
    : new StoreError('busy', `the database cannot be reached, or no connection is free (${detail})`, { cause: error })
}

/** What to do about a connection that TLS refused; undefined when it was something else. */
function tlsAdvice(error: unknown, detail: string): string | undefined {
  if (/does not support SSL/.test(detail))
    return (
      'the database server has no TLS; set ssl = on in its postgresql.conf, or, where nobody can listen or stand in ' +
      'between, sslmode=disable in store.url'
    )
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  if (UNKNOWN_CA.has(code))
    return (
      `the certificate of the database server comes from no CA that is trusted here (${detail}); ` +
      'put the PEM of its CA into the file of store.postgres.caFile'
    )
  switch (code) {
    case 'ERR_TLS_CERT_ALTNAME_INVALID':
      return (
        `the certificate of the database server is for another name (${detail}); call the server in store.url as its ` +
        'certificate does, or give it one for that name'
      )
    case 'CERT_HAS_EXPIRED':
    case 'CERT_NOT_YET_VALID':
      return `the certificate of the database server is out of its time (${detail}); renew it, or set the clocks right`
    default:
      return undefined
  }
}
