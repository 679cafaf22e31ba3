import { AcmeError } from '../problem.ts'
import type { PlainRead } from '../routes.ts'
import { certificateResponse } from './certificate.ts'

/** A certificate by plain GET, where the operator allows it (CQ-C07): whoever knows the serial may read it. */
export const readCertificate: PlainRead = async ({ directory, services, params, accept }) => {
  const serial = params['serial'] ?? ''
  const candidates = /^[0-9a-f]{2,40}$/.test(serial) ? await services.store.certificates.findBySerial(serial) : []
  const found = candidates.find(
    (candidate) => candidate.directory === directory.name && candidate.certificateDer !== undefined,
  )
  if (found === undefined) throw new AcmeError('malformed', 'There is no such certificate', { status: 404 })
  return certificateResponse(found, { alternate: params['alternate'], accept, urls: directory.urls, services })
}
