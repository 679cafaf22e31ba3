const PEM_CHAIN = 'application/pem-certificate-chain'
const DER_LEAF = 'application/pkix-cert'

export type CertificateType = typeof PEM_CHAIN | typeof DER_LEAF

/**
 * The media type for a certificate: the PEM chain unless `Accept` names the DER leaf and does not like the chain as
 * much (RFC 8555 §7.4.2). Absent, foreign and malformed values mean the chain (CQ-T03).
 */
export function preferredCertificateType(accept: string | undefined): CertificateType {
  let pem = 0
  let der = 0
  for (const range of (accept ?? '').slice(0, 1000).split(',')) {
    const [type = '', ...parameters] = range.split(';').map((part) => part.trim().toLowerCase())
    if (type === DER_LEAF) der = Math.max(der, quality(parameters))
    else if (type === PEM_CHAIN || type === '*/*' || type === 'application/*') pem = Math.max(pem, quality(parameters))
  }
  return der > pem ? DER_LEAF : PEM_CHAIN
}

/** RFC 9110 §12.4.2; 1 when there is none or it cannot be read. */
function quality(parameters: readonly string[]): number {
  const text = parameters.find((parameter) => parameter.startsWith('q='))?.slice(2)
  return text !== undefined && /^(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/.test(text) ? Number(text) : 1
}
