import { createHash } from 'node:crypto'
import { baseName, identifierKey, isWildcard } from '../../lib/identifier.ts'
import type { Revocation } from '../../revocation/revocation.ts'
import type { AccountRecord, CertificateRecord } from '../../store/records.ts'
import { DerError } from '../../x509/asn1/der-error.ts'
import { parseCertificate } from '../../x509/certificate.ts'
import { readDerField } from '../base64-field.ts'
import type { AcmeServices, AuthenticatedRequest, Endpoint } from '../endpoint.ts'
import { requireObject } from '../payload.ts'
import { AcmeError } from '../problem.ts'
import { admitted } from '../rate-limited.ts'
import { renderInstant } from '../render/instant.ts'
import { readRevocationReason, refuseKeyCompromise } from '../revocation-reason.ts'
import { authorizationStatus } from '../state/authorization.ts'

type By = Exclude<Parameters<Revocation['revoke']>[0]['by'], 'operator'>

/**
 * Revokes a certificate (RFC 8555 §7.6) for the account it was issued to, the holder of its key, or an account that
 * holds valid authorizations for all its names today (KF-B19). 200 and an empty body once it is durable (CQ-R03).
 */
export const revokeCert: Endpoint = async (request, services) => {
  const payload = requireObject(request.payload, 'A revocation')
  const reason = readRevocationReason(payload['reason'])
  const der = readDerField('certificate', payload['certificate'], services)
  const { signer, requestId, directory } = request
  const requester = signer.kind === 'account' ? signer.account : request.from
  admitted(await services.limits.revocation(requester), services.limits)
  const { found, by } = await findRevocable(der, request, services)
  const { serial, issuerId, orderId } = found
  const refuse = (error: AcmeError): AcmeError => {
    request.log.info('certificate.revoke', {
      serial,
      orderId,
      by,
      outcome: 'refused',
      problem: error.type,
      detail: error.message,
    })
    return error
  }
  if (by === 'authorized-account' && reason === 1) throw refuse(refuseKeyCompromise())
  if (services.clock.now() > found.notAfter) throw refuse(found.revokedAt ? alreadyRevoked(found) : expired(found))

  const result = await services.revocation.revoke({
    issuerId,
    serial,
    reason,
    provedKey: by === 'certificate-key',
    requestId,
    by,
    ...(signer.kind === 'account' && { accountId: signer.account.id }),
    directory: directory.name,
  })
  if (result.outcome === 'unknown') throw refuse(notYours())
  if (result.outcome === 'already') throw refuse(alreadyRevoked(result.certificate))
  request.log.info('certificate.revoke', { serial, orderId, by, reason, outcome: result.outcome })
  return { status: 200 }
}

/**
 * The certificate, known by its every byte and not by its serial alone (KF-B18), and by what right it may be revoked.
 *
 * @throws {AcmeError} the same for one that is unknown and one that is not the requester's to revoke
 */
async function findRevocable(
  der: Buffer,
  request: AuthenticatedRequest,
  services: AcmeServices,
): Promise<{ found: CertificateRecord; by: By }> {
  const serial = serialOf(der)
  const candidates = await services.store.certificates.findBySerial(serial)
  const found = candidates.find(
    ({ certificateDer, directory }) => directory === request.directory.name && certificateDer?.equals(der),
  )
  const by = found && (await rightToRevoke(found, request, services))
  if (found === undefined || by === undefined) {
    request.log.info('certificate.revoke', { serial, outcome: 'refused', known: found !== undefined })
    throw notYours()
  }
  return { found, by }
}

function serialOf(der: Buffer): string {
  try {
    return parseCertificate(der).serialHex
  } catch (error) {
    if (!(error instanceof DerError)) throw error
    throw new AcmeError('malformed', `"certificate" is not an X.509 certificate in DER: ${error.message}`, {
      cause: error,
    })
  }
}

async function rightToRevoke(
  found: CertificateRecord,
  request: AuthenticatedRequest,
  services: AcmeServices,
): Promise<By | undefined> {
  const { signer } = request
  switch (signer.kind) {
    case 'key': {
      const isItsKey = createHash('sha256').update(signer.spkiDer).digest('hex') === found.spkiSha256
      return isItsKey ? 'certificate-key' : undefined
    }
    case 'account': {
      if (found.accountId === signer.account.id) return 'issuing-account'
      return (await controlsEveryName(found, signer.account, services)) ? 'authorized-account' : undefined
    }
    default:
      return signer satisfies never
  }
}

/** A wildcard needs a wildcard's authorization, for it was proved by other means. */
async function controlsEveryName(
  found: CertificateRecord,
  account: AccountRecord,
  services: AcmeServices,
): Promise<boolean> {
  const now = services.clock.now()
  const names = found.identifiers.map((identifier) => ({
    identifier: { type: identifier.type, value: baseName(identifier) },
    wildcard: isWildcard(identifier),
  }))
  const held = await services.store.authorizations.findValid(account.directory, account.id, names, now)
  const proved = new Set(
    held
      .filter((authorization) => authorizationStatus(authorization, now) === 'valid')
      .map(({ identifier, wildcard }) => `${wildcard ? '*.' : ''}${identifierKey(identifier)}`),
  )
  return (
    names.length > 0 &&
    names.every(({ identifier, wildcard }) => proved.has(`${wildcard ? '*.' : ''}${identifierKey(identifier)}`))
  )
}

function notYours(): AcmeError {
  return new AcmeError(
    'unauthorized',
    'This directory has issued no such certificate that you may revoke: sign with the account that ordered it, with its key, ' +
      'or with an account that holds valid authorizations for all its names',
  )
}

function alreadyRevoked({ revokedAt }: CertificateRecord): AcmeError {
  return new AcmeError(
    'alreadyRevoked',
    `The certificate was revoked at ${revokedAt ? renderInstant(revokedAt) : 'an earlier time'}`,
  )
}

function expired({ notAfter }: CertificateRecord): AcmeError {
  return new AcmeError(
    'malformed',
    `The certificate expired at ${renderInstant(notAfter)}; there is nothing left to revoke`,
  )
}
