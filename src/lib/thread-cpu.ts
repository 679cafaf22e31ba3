/**
 * CPU time that this thread has used, in milliseconds. For sharing the event loop: unlike the wall clock, it does not count
 * the time in which other processes had the processor, or in which the disk was waited for.
 */
export function threadCpuMs(): number {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1000
}
