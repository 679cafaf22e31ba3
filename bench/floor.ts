import { execFile } from 'node:child_process'
import { generateKeyPairSync, sign, verify } from 'node:crypto'
import { promisify } from 'node:util'

/** What this machine's cryptography costs right now: P-256, one thread. */
export interface CryptoFloor {
  readonly source: 'openssl speed' | 'node:crypto'
  readonly signUs: number
  readonly verifyUs: number
}

/** As `openssl speed` says; by Node.js itself, which costs a little more, where there is no openssl. */
export async function measureFloor(): Promise<CryptoFloor> {
  return (await byOpenssl()) ?? byNode()
}

export function meanFloor(a: CryptoFloor, b: CryptoFloor): CryptoFloor {
  return { source: a.source, signUs: (a.signUs + b.signUs) / 2, verifyUs: (a.verifyUs + b.verifyUs) / 2 }
}

/** `openssl speed -mr` ends in one line for each algorithm: `+F4:<index>:<bits>:<signatures>:<verifications>`. */
async function byOpenssl(): Promise<CryptoFloor | undefined> {
  try {
    const { stdout } = await promisify(execFile)('openssl', ['speed', '-mr', '-seconds', '1', 'ecdsap256'])
    const figures = /^\+F4:\d+:256:([\d.]+):([\d.]+)/m.exec(stdout)
    if (figures === null) return undefined
    const [signUs, verifyUs] = [figures[1], figures[2]].map((text) => microseconds(Number(text))) as [number, number]
    return signUs > 0 && verifyUs > 0 ? { source: 'openssl speed', signUs, verifyUs } : undefined
  } catch {
    return undefined
  }
}

/** OpenSSL 3 prints how many there were in a second, older versions the seconds of one. */
function microseconds(figure: number): number {
  return figure > 1 ? 1e6 / figure : figure * 1e6
}

/** With SHA-256 over 300 bytes, as it is for a signed request. */
function byNode(): CryptoFloor {
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
    source: 'node:crypto',
    signUs: time(() => sign('sha256', message, privateKey)),
    verifyUs: time(() => verify('sha256', message, publicKey, signature)),
  }
}
