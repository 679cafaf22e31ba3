/** The odd primes up to 167: those whose remainders tell ROCA keys from others (Nemec et al. 2017, §2.4). */
const PRIMES = [
  3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103, 107, 109, 113,
  127, 131, 137, 139, 149, 151, 157, 163, 167,
] as const

const GENERATOR = 65_537

function powersModulo(prime: number): ReadonlySet<number> {
  const powers = new Set<number>()
  for (let power = 1; !powers.has(power); power = (power * GENERATOR) % prime) powers.add(power)
  return powers
}

const SUBGROUPS = PRIMES.map((prime) => ({ prime, powers: powersModulo(prime) }))
const PRODUCT = PRIMES.reduce((product, prime) => product * BigInt(prime), 1n)

/**
 * Whether the modulus has the fingerprint of CVE-2017-15361 (ROCA): the faulty generator made primes of the form
 * k·M + (65537^a mod M), M a product of small primes, so the modulus is a power of 65537 modulo each of them
 * (Nemec et al., "The Return of Coppersmith's Attack", 2017). About one good key in 10^8 looks the same by chance; its
 * owner makes another.
 */
export function hasRocaFingerprint(modulus: bigint): boolean {
  const remainder = modulus % PRODUCT
  return SUBGROUPS.every(({ prime, powers }) => powers.has(Number(remainder % BigInt(prime))))
}
