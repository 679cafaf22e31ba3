/**
 * A certificate could not be made, and the requester is not to blame: told to the operator, never on the wire.
 *
 * - `ISSUER_UNFIT`: the issuing CA is expired, limited or misconfigured for what was to be issued
 * - `DEFECTIVE`: what was built does not say what was meant, or a lint found a fault; the issuing key was not used
 * - `TOKEN_SPENT`: an issuance token was presented a second time
 * - `BAD_SIGNATURE`: the signer answered with something that the issuer's public key does not confirm
 */
export class IssuanceError extends Error {
  override readonly name = 'IssuanceError'
  readonly code: 'ISSUER_UNFIT' | 'DEFECTIVE' | 'TOKEN_SPENT' | 'BAD_SIGNATURE'
  /** One sentence per finding. */
  readonly findings: readonly string[]
  constructor(code: IssuanceError['code'], message: string, findings: readonly string[] = [], options?: ErrorOptions) {
    super(findings.length === 0 ? message : `${message}: ${findings.join('; ')}`, options)
    this.code = code
    this.findings = findings
  }
}
