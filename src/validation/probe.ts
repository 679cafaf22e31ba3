/** What one attempt saw, for the log and the audit trail: names, addresses and outcomes, never content (KF-A14). */
export interface Evidence {
  readonly lookups: LookupEvidence[]
  readonly connections: ConnectionEvidence[]
  readonly responses: ResponseEvidence[]
}

export interface LookupEvidence {
  readonly name: string
  readonly type: string
  readonly outcome: string
  /** The names that the asked one is an alias of, in order. */
  readonly aliases: readonly string[]
  readonly records: number
  /** The resolver says that it validated the answer by DNSSEC (AD bit, RFC 4035 §3.2.3). */
  readonly authenticated: boolean
  /** Every server asked, the failing ones too: an answer that only one of many gave is seen (KF-A23). */
  readonly servers: readonly { readonly server: string; readonly outcome: string }[]
}

export interface ConnectionEvidence {
  readonly host: string
  readonly address: string
  readonly port: number
  readonly outcome: string
}

export interface ResponseEvidence {
  readonly scheme: 'http' | 'https' | 'tls'
  readonly host: string
  readonly status?: number
  readonly protocol?: string
}

/** One attempt under way: aborted by its deadline or by the stop of the process, and collecting evidence. */
export interface Probe {
  readonly signal: AbortSignal
  readonly evidence: Evidence
}

/** The address of the host that was proved: the first that was connected to; redirects lead on from there. */
export function answeredFrom({ connections }: Evidence): string | undefined {
  return connections.find(({ outcome }) => outcome === 'connected')?.address
}

export function newEvidence(): Evidence {
  return { lookups: [], connections: [], responses: [] }
}
