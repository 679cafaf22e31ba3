/**
 * Every URL of one directory, built from the configured base and nothing else (KF-F18). The paths are here and in
 * `routes.ts` only.
 */
export interface DirectoryUrls {
  readonly directory: string
  readonly newNonce: string
  readonly newAccount: string
  readonly newOrder: string
  readonly newAuthz: string
  readonly revokeCert: string
  readonly keyChange: string
  /** Base of renewal information; clients append `/` and the certificate's identifier (RFC 9773 §3). */
  readonly renewalInfo: string
  account(id: string): string
  orders(accountId: string, cursor?: string): string
  order(id: string): string
  finalize(orderId: string): string
  authorization(id: string): string
  challenge(id: string): string
  certificate(serial: string, alternate?: number): string
}

/** @param baseUrl configured `publicUrl`, without a trailing slash */
export function directoryUrls(baseUrl: string, directory: string): DirectoryUrls {
  const at = `${baseUrl}/acme/${directory}`
  return {
    directory: `${at}/directory`,
    newNonce: `${at}/new-nonce`,
    newAccount: `${at}/new-account`,
    newOrder: `${at}/new-order`,
    newAuthz: `${at}/new-authz`,
    revokeCert: `${at}/revoke-cert`,
    keyChange: `${at}/key-change`,
    renewalInfo: `${at}/renewal-info`,
    account: (id) => `${at}/account/${id}`,
    orders: (accountId, cursor) =>
      `${at}/account/${accountId}/orders${cursor === undefined ? '' : `?cursor=${cursor}`}`,
    order: (id) => `${at}/order/${id}`,
    finalize: (orderId) => `${at}/order/${orderId}/finalize`,
    authorization: (id) => `${at}/authz/${id}`,
    challenge: (id) => `${at}/challenge/${id}`,
    certificate: (serial, alternate) => `${at}/certificate/${serial}${alternate === undefined ? '' : `/${alternate}`}`,
  }
}
