/** `Retry-After` while a challenge is being validated: most proofs take well under a second (CQ-F04). */
export const VALIDATION_RETRY_SECONDS = 1

/** `Retry-After` while the signer works on an order. */
export const ISSUANCE_RETRY_SECONDS = 3
