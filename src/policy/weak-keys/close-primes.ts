import { integerSquareRoot, isPerfectSquare } from './square-root.ts'

const ROUNDS = 100 // CA/Browser Forum Baseline Requirements 6.1.1.3

/**
 * Whether Fermat's method factors the modulus within 100 rounds, as it does when the two primes lie close to each
 * other (CVE-2022-26320). With n = a² - b² the primes are a + b and a - b; a is tried from the root of n upward.
 */
export function hasClosePrimes(modulus: bigint): boolean {
  const root = integerSquareRoot(modulus)
  let a = root * root === modulus ? root : root + 1n
  let bSquared = a * a - modulus
  for (let round = 0; round < ROUNDS; round++) {
    if (isPerfectSquare(bSquared)) return true
    bSquared += 2n * a + 1n
    a += 1n
  }
  return false
}
