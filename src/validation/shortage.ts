/** What this machine can run out of: open files, of this process or of all, and memory for sockets. */
const SHORTAGES: ReadonlySet<string> = new Set(['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM'])

/** True when an error of the system says that something ran out here, which tells nothing of whom we wanted to reach. */
export function isShortage(error: unknown): boolean {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' && SHORTAGES.has(error.code)
}
