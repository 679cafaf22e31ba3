import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  goodModulus,
  modulusOfFermatRound,
  neighbourPrimesModulus,
  prime,
  rocaModulus,
} from '../../../test/support/rsa-moduli.ts'
import { hasClosePrimes } from './close-primes.ts'
import { hasRocaFingerprint } from './roca.ts'
import { hasSmallFactor } from './small-factors.ts'
import { integerSquareRoot, isPerfectSquare } from './square-root.ts'

test('KF-C12 a prime factor below 752 is found, the next prime is not one', () => {
  const large = prime(2038)
  for (const factor of [2n, 3n, 5n, 7n, 11n, 743n, 751n])
    assert.equal(hasSmallFactor(factor * large), true, String(factor))
  for (const factor of [1n, 757n, 65_537n]) assert.equal(hasSmallFactor(factor * large), false, String(factor))
})

test('KF-C12 neighbouring primes are found, as is one prime twice', () => {
  assert.equal(hasClosePrimes(neighbourPrimesModulus(1024)), true)
  const p = prime(512)
  assert.equal(hasClosePrimes(p * p), true)
})

test('KF-C12 Fermat is tried for 100 rounds', () => {
  for (const round of [1, 2, 50, 99, 100]) {
    assert.equal(hasClosePrimes(modulusOfFermatRound(round, 2048)), true, `round ${round}`)
  }
  assert.equal(hasClosePrimes(modulusOfFermatRound(101, 2048)), false, 'round 101')
  assert.equal(hasClosePrimes(modulusOfFermatRound(100, 4096)), true, '4096 bits')
})

test('KF-C12 the fingerprint of ROCA is found in moduli of its form', () => {
  for (let i = 0; i < 3; i++) assert.equal(hasRocaFingerprint(rocaModulus(2048)), true)
})

test('KF-C12 a good modulus has none of the faults', () => {
  for (const bits of [2048, 3072]) {
    const modulus = goodModulus(bits)
    assert.equal(hasSmallFactor(modulus), false)
    assert.equal(hasClosePrimes(modulus), false)
    assert.equal(hasRocaFingerprint(modulus), false)
  }
})

test('square roots are exact around every square', () => {
  for (const n of [0n, 1n, 2n, 3n, 7n, 15n, 16n, 17n, 255n, 256n, 65_535n, (1n << 64n) - 1n, prime(1024)]) {
    const square = n * n
    assert.equal(integerSquareRoot(square), n)
    if (n > 1n) assert.equal(integerSquareRoot(square - 1n), n - 1n)
    if (n > 0n) assert.equal(integerSquareRoot(square + 1n), n)
    assert.equal(isPerfectSquare(square), true)
    if (n > 0n) assert.equal(isPerfectSquare(square + 1n), false)
    if (n > 1n) assert.equal(isPerfectSquare(square - 1n), false)
  }
  assert.equal(isPerfectSquare(-4n), false)
})

test('the quick answer for squares agrees with the plain one', () => {
  const squares = new Set(Array.from({ length: 200 }, (_, i) => i * i))
  for (let n = 0; n < 20_000; n++) assert.equal(isPerfectSquare(BigInt(n)), squares.has(n), String(n))
})
