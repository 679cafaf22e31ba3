/** The largest integer whose square is at most n. For n of any size; n must not be negative. */
export function integerSquareRoot(n: bigint): bigint {
  if (n < 2n) return n
  let guess = 1n << BigInt(2 * n.toString(16).length) // 16^digits > n, so this is above the root
  for (;;) {
    const next = (guess + n / guess) >> 1n
    if (next >= guess) return guess
    guess = next
  }
}

const isSquareModulo = (modulus: number): readonly boolean[] => {
  const squares = new Array<boolean>(modulus).fill(false)
  for (let i = 0; i < modulus; i++) squares[(i * i) % modulus] = true
  return squares
}

const SQUARES_64 = isSquareModulo(64)
const SQUARES_SMALL = ([63, 65, 11, 17, 19, 23, 31] as const).map((m) => [m, isSquareModulo(m)] as const)
const SMALL_PRODUCT = SQUARES_SMALL.reduce((product, [modulus]) => product * modulus, 1)

/** Whether n is the square of an integer. Nearly all that are not are told by their remainders, without a root. */
export function isPerfectSquare(n: bigint): boolean {
  if (n < 0n || !SQUARES_64[Number(BigInt.asUintN(6, n))]) return false
  const remainder = Number(n % BigInt(SMALL_PRODUCT))
  if (!SQUARES_SMALL.every(([modulus, squares]) => squares[remainder % modulus])) return false
  const root = integerSquareRoot(n)
  return root * root === n
}
