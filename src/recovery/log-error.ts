/** The certificates' own log cannot be used as it stands; the message says what to do. */
export class LogError extends Error {}

/** The database lacks what the log has seen: it is an earlier copy, and must not be served as it is (KF-E08). */
export class OlderDatabaseError extends LogError {}
