import { encodePem } from '../lib/pem.ts'
import type { Random } from '../lib/random.ts'
import type { GeneratedKey, KeyKind } from '../signer/software.ts'
import { generateKey } from '../signer/software.ts'
import type { CaSubject } from './ca-certificate.ts'
import { caSubjectDer, caWindow, signCaCertificate } from './ca-certificate.ts'

export interface NewCa {
  readonly certificateDer: Buffer
  readonly certificatePem: string
  readonly key: GeneratedKey
}

const TEN_YEARS_SECONDS = 3652 * 86_400
/** CA certificates begin an hour ago, so that leaves can be backdated from the first minute (CQ-C06). */
export const CA_BACKDATE_SECONDS = 3600

/**
 * Makes a root: a new key, and a certificate that it signs itself. P-384 and ten years unless told otherwise; no path
 * length and no name constraints, because a trust anchor's own limits are not reliably honoured (RFC 5280 §6.1).
 *
 * @throws {CeremonyError}
 */
export async function createRoot(
  options: CaSubject & {
    readonly keyKind?: KeyKind | undefined
    readonly lifetimeSeconds?: number | undefined
    readonly backdateSeconds?: number | undefined
    readonly now: Date
    readonly random: Random
  },
): Promise<NewCa> {
  const subjectDer = caSubjectDer(options)
  const validity = caWindow(
    options.now,
    options.lifetimeSeconds ?? TEN_YEARS_SECONDS,
    options.backdateSeconds ?? CA_BACKDATE_SECONDS,
  )
  const key = await generateKey(options.keyKind ?? 'P-384')
  const { signingKey } = key
  const certificateDer = await signCaCertificate(
    { subjectDer, spkiDer: signingKey.spkiDer, validity, random: options.random },
    { key: signingKey },
  )
  return { certificateDer, certificatePem: encodePem('CERTIFICATE', certificateDer), key }
}
