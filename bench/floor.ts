import { generateKeyPairSync, sign, verify } from 'node:crypto'

/** What this machine's cryptography costs right now, in microseconds: P-256 with SHA-256 over 300 bytes, one thread. */
export function cryptoFloor(): { signUs: number; verifyUs: number } {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const message = Buffer.alloc(300, 7)
  const signature = sign('sha256', message, privateKey)
  const time = (work: () => void): number => {
    for (let i = 0; i < 200; i++) work()
    const begun = performance.now()
    for (let i = 0; i < 2000; i++) work()
    return ((performance.now() - begun) * 1000) / 2000
  }
  return {
    signUs: time(() => sign('sha256', message, privateKey)),
    verifyUs: time(() => verify('sha256', message, publicKey, signature)),
  }
}
