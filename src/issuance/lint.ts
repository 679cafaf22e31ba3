import type { ProfileSnapshot } from '../store/records.ts'
import type { ParsedTbsCertificate } from '../x509/certificate.ts'
import type { Issuer } from './issuer.ts'

/** What a rule may compare a certificate with. */
export interface LintContext {
  readonly issuer: Issuer
  readonly profile: ProfileSnapshot
  readonly now: Date
}

/** One rule about the bytes that are to be signed; each has a file of its own in `lints/`. */
export interface Lint {
  readonly name: string
  /** The clause that demands it. */
  readonly source: string
  /** `error` forbids the signature; `warn` is told to the operator. */
  readonly severity: 'error' | 'warn'
  /** The rule counts from this instant on; absent: always. */
  readonly effective?: Date
  /** What is wrong, in a sentence, or undefined. Pure; what it throws counts as a finding. */
  check(certificate: ParsedTbsCertificate, context: LintContext): string | undefined
}

export interface LintFinding {
  readonly lint: string
  readonly severity: Lint['severity']
  readonly detail: string
}

/** Runs every rule; a rule that cannot be run is an error, whatever its severity (fail closed). */
export function runLints(
  lints: readonly Lint[],
  certificate: ParsedTbsCertificate,
  context: LintContext,
): LintFinding[] {
  const findings: LintFinding[] = []
  for (const lint of lints) {
    if (lint.effective !== undefined && context.now < lint.effective) continue
    try {
      const detail = lint.check(certificate, context)
      if (detail !== undefined) findings.push({ lint: lint.name, severity: lint.severity, detail })
    } catch (error) {
      findings.push({
        lint: lint.name,
        severity: 'error',
        detail: error instanceof Error ? error.message : 'could not be checked',
      })
    }
  }
  return findings
}
