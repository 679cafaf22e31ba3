/**
 * How long a reservation may wait for its signature, in seconds. Later the proofs and the decision behind it are too
 * old to be signed upon, and the reservation is given up (KF-E13).
 */
export const RESUME_LIMIT_SECONDS = 3600
