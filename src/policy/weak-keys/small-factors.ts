const LIMIT = 752 // CA/Browser Forum Baseline Requirements 6.1.6, after NIST SP 800-89 §5.3.3

function primesBelow(limit: number): number[] {
  const primes: number[] = []
  for (let n = 2; n < limit; n++) {
    if (primes.every((prime) => n % prime !== 0)) primes.push(n)
  }
  return primes
}

const PRIMES = primesBelow(LIMIT).map(BigInt)
const PRODUCT = PRIMES.reduce((product, prime) => product * prime, 1n)

/** Whether some prime below 752 divides the modulus: one large division, then small ones. */
export function hasSmallFactor(modulus: bigint): boolean {
  const remainder = modulus % PRODUCT
  return PRIMES.some((prime) => remainder % prime === 0n)
}
