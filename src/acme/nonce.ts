/** Replay nonces (RFC 8555 §6.5): authenticated, single use across restarts, good for an hour (CQ-N02). */
export interface NonceService {
  /** A fresh value of the base64url alphabet. */
  issue(): string
  /** Promises that chaos mode will not refuse this one: it answers a `badNonce`, and is to be good for a retry (§6.5). */
  spare(nonce: string): void
  /**
   * Spends a nonce. `malformed` when it is not base64url (§6.5.2); `bad` with the reason when unknown, expired,
   * or spent before. Total over any string.
   */
  spend(
    nonce: string,
  ): Promise<
    | { outcome: 'good' }
    | { outcome: 'bad'; reason: 'unknown' | 'expired' | 'used' | 'chaos' }
    | { outcome: 'malformed' }
  >
}
