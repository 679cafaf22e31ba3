import { checkPrimeSync, generateKeyPairSync, generatePrimeSync, randomBytes } from 'node:crypto'

/** Makers of RSA moduli, good and weak in one way each; not keys: nobody needs their private half. */

/** The modulus of a key as it should be. */
export function goodModulus(bits: number): bigint {
  const { n } = generateKeyPairSync('rsa', { modulusLength: bits }).publicKey.export({ format: 'jwk' })
  return BigInt(`0x${Buffer.from(n ?? '', 'base64url').toString('hex')}`)
}

export function prime(bits: number): bigint {
  return generatePrimeSync(bits, { bigint: true })
}

/** The product of a prime and the very next prime. */
export function neighbourPrimesModulus(bits: number): bigint {
  const p = prime(bits / 2)
  let q = p + 2n
  while (!checkPrimeSync(q)) q += 2n
  return p * q
}

/** A product that Fermat's method finds in exactly this round, the first being 1. Its factors need not be prime. */
export function modulusOfFermatRound(round: number, bits: number): bigint {
  const a = prime(bits / 2)
  // a - √n is about b² / 2a; with b² = 2a·(round - ½) the root of n, rounded up, is a - round + 1.
  const b = root(a * BigInt(2 * round - 1))
  return (a - b) * (a + b)
}

/** A product of two primes k·M + (65537^e mod M), as the generator of CVE-2017-15361 made them. */
export function rocaModulus(bits: number): bigint {
  return rocaPrime(bits / 2) * rocaPrime(bits / 2)
}

function rocaPrime(bits: number): bigint {
  const smooth = ODD_PRIMES.reduce((product, p) => product * p, 2n)
  for (;;) {
    const residue = power(65_537n, BigInt(randomBytes(2).readUInt16BE()), smooth)
    const start = BigInt(`0x${randomBytes(bits / 8).toString('hex')}`) | (3n << BigInt(bits - 2))
    const candidate = start - (start % smooth) + residue
    if (checkPrimeSync(candidate)) return candidate
  }
}

const ODD_PRIMES = Array.from({ length: 167 }, (_, i) => i + 1)
  .filter((n) => n > 2 && Array.from({ length: n - 2 }, (_, d) => d + 2).every((d) => n % d !== 0))
  .map(BigInt)

function power(base: bigint, exponent: bigint, modulus: bigint): bigint {
  let result = 1n
  for (let b = base, e = exponent; e > 0n; e >>= 1n, b = (b * b) % modulus) {
    if (e & 1n) result = (result * b) % modulus
  }
  return result
}

function root(n: bigint): bigint {
  let low = 0n
  let high = 1n << BigInt(n.toString(2).length)
  while (low < high) {
    const middle = (low + high + 1n) >> 1n
    if (middle * middle <= n) low = middle
    else high = middle - 1n
  }
  return low
}
