/** Why a policy file is refused, whole; one line for each fault. */
export class PolicyFileError extends Error {
  override readonly name = 'PolicyFileError'
  readonly faults: readonly string[]
  /** @param path of the file, where it is known */
  constructor(faults: readonly string[], path?: string) {
    super(path === undefined ? faults.join('\n') : faults.map((fault) => `${path}: ${fault}`).join('\n'))
    this.faults = faults
  }
}
