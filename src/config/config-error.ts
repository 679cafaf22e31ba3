/** A configuration that cannot be used. Each problem is one sentence naming the key, where it stands and what to do. */
export class ConfigError extends Error {
  readonly problems: readonly string[]
  constructor(problems: readonly string[], options?: ErrorOptions) {
    super(problems.join('\n'), options)
    this.problems = problems
  }
}

/** A value that was given by a flag of the command line and cannot be read. */
export class FlagError extends ConfigError {}
