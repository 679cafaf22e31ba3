/** The certificates that one name had, as far as is remembered. Those that were given up before they were signed are none. */
export interface NameHistory {
  /** Of the newest, counted from 1; 0 when there is none. */
  readonly position: number
  /** The newest of the account that was asked for. */
  readonly last?: {
    readonly issuerId: string
    readonly notBefore: Date
    readonly notAfter: Date
    readonly isRevoked: boolean
  }
  /** When the `count`-th newest, of whichever account, was reserved; absent when there are fewer. */
  readonly countReachedAt?: Date
}

/** A name of a certificate that is about to be reserved. */
export interface NameClaim {
  /** As `identifierKey` writes it. */
  readonly name: string
  /** The position that was seen when it was decided; absent where the decision did not depend on it. */
  readonly seen?: number
}

/** How often names were certified; written with the reservation: see `certificates.begin`. */
export interface IssuedNameStore {
  /**
   * What was reserved later than a minute after `now` is of a clock that was wrong, and is neither the last one nor
   * counted: it would keep a name waiting for as long as that clock was ahead (KF-E09).
   *
   * @param asked.name as `identifierKey` writes it
   */
  look(asked: {
    readonly name: string
    readonly accountId?: string
    readonly count?: number
    readonly now: Date
  }): Promise<NameHistory>
}
