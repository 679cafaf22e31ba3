/** The certificates' own log cannot be used as it stands; the message says what to do. */
export class LogError extends Error {}
