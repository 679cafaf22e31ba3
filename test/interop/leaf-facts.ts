import type { X509Certificate } from 'node:crypto'

export const PURPOSE_OIDS = { serverAuth: '1.3.6.1.5.5.7.3.1', clientAuth: '1.3.6.1.5.5.7.3.2' } as const

/** The names of a leaf, as Node reads them. */
export function namesIn(certificate: X509Certificate): { readonly type: 'dns' | 'ip'; readonly value: string }[] {
  return (certificate.subjectAltName ?? '').split(', ').map((text) => {
    const [, form, value] = /^(DNS|IP Address):(.+)$/.exec(text) ?? []
    if (form === undefined || value === undefined) throw new Error(`not a name of a leaf: ${text}`)
    return { type: form === 'DNS' ? 'dns' : 'ip', value }
  })
}
