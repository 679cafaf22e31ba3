/**
 * Loaded before a server by `--import`, so that its wall clock is off: by `CHANCERY_TEST_CLOCK_OFFSET_MS` from the
 * start, and by 15 seconds more with each SIGUSR2. Monotonic time goes on as it is.
 */
const RealDate = Date
let offsetMs = Number(process.env['CHANCERY_TEST_CLOCK_OFFSET_MS'] ?? 0)
process.on('SIGUSR2', () => {
  offsetMs += 15_000
})

class SkewedDate extends RealDate {
  constructor(...parameters: unknown[]) {
    super(...((parameters.length === 0 ? [RealDate.now() + offsetMs] : parameters) as [number]))
  }

  static override now(): number {
    return RealDate.now() + offsetMs
  }
}
globalThis.Date = SkewedDate as DateConstructor
