/** Replay nonces (RFC 8555 §6.5): authenticated, single use across restarts, good for an hour (CQ-N02). */
export interface NonceService {
  /** A fresh value of the base64url alphabet. */
  issue(): string
  /**
   * Spends a nonce. `malformed` when it is not base64url (§6.5.2); `bad` with the reason when unknown, expired,
   * or spent before. Total over any string.
   */
  spend(nonce: string): Promise<{ outcome: 'good' } | { outcome: 'bad'; reason: 'unknown' | 'expired' | 'used' | 'chaos' } | { outcome: 'malformed' }>
}
