/**
 * Wraps secrets that must live in the database under a key that does not (KF-G07): AES-256-GCM with the state
 * folder's storage key. `context` binds a wrapped value to its row, so that rows cannot be swapped.
 */
export interface WrappedKeys {
  wrap(plain: Buffer, context: string): Buffer
  /** @throws {Error} when the value was made under another key or context, or was changed */
  unwrap(wrapped: Buffer, context: string): Buffer
}

/** The `context` under which the MAC key of this external account key is wrapped and unwrapped. */
export function eabKeyContext(id: string): string {
  return `eab-key:${id}`
}
