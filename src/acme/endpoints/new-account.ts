import { newId } from '../../lib/ids.ts'
import type { AccountRecord, Jwk } from '../../store/records.ts'
import { checkNewAccountKey, spkiSha256 } from '../account-key.ts'
import { readContacts } from '../contacts.ts'
import type { VerifiedBinding } from '../eab.ts'
import { refusedKey, verifyExternalAccountBinding } from '../eab.ts'
import { refuseEndedAccount } from '../ended-account.ts'
import type { AcmeResponse, AcmeServices, AuthenticatedRequest, Endpoint, JsonObject } from '../endpoint.ts'
import { readJwk } from '../jws/jwk.ts'
import { readFlag, requireObject } from '../payload.ts'
import { AcmeError } from '../problem.ts'
import { admitted, orGivenBack } from '../rate-limited.ts'
import { renderAccount } from '../render/account.ts'

/**
 * Registers an account, or finds the one that has this key (RFC 8555 §7.3). A known key wins over everything else in
 * the request, which is then not looked at (§7.3.1, CQ-A10); `onlyReturnExisting` comes next (CQ-A03).
 */
export const newAccount: Endpoint = async (request, services) => {
  const key = keyOf(request)
  const payload = requireObject(request.payload, 'newAccount')
  const existing = await services.store.accounts.findByThumbprint(request.directory.name, key.thumbprint)
  if (existing !== undefined) return existingAccount(existing, request, services)
  if (readFlag(payload, 'onlyReturnExisting')) {
    throw new AcmeError('accountDoesNotExist', 'There is no account with this key')
  }
  await checkNewAccountKey(readJwk({ ...key.jwk }), services.store)
  const contact = readContacts(payload['contact'], services.settings.maxContacts) ?? []
  const hasAgreed = checkTerms(payload, request)
  const binding = await readBinding(payload, request, key.thumbprint, services)
  return create({ key, contact, hasAgreed, binding }, request, services)
}

interface NewAccount {
  readonly key: { readonly jwk: Jwk; readonly thumbprint: string; readonly spkiDer: Buffer }
  readonly contact: readonly string[]
  readonly hasAgreed: boolean
  readonly binding: VerifiedBinding | undefined
}

async function create(
  wanted: NewAccount,
  request: AuthenticatedRequest,
  services: AcmeServices,
): Promise<AcmeResponse> {
  const { key, contact, binding } = wanted
  const { limits } = services
  const taken = admitted(await limits.newAccount(request.from), limits)
  const now = services.clock.now()
  const account: AccountRecord = {
    id: newId(services.random, 'account', now),
    directory: request.directory.name,
    jwk: key.jwk,
    thumbprint: key.thumbprint,
    spkiSha256: spkiSha256(key.spkiDer),
    contact,
    ...(wanted.hasAgreed && { termsAgreedAt: now }),
    ...(binding && { externalAccountBinding: binding.echo, eabKeyId: binding.eabKeyId }),
    createdAt: now,
  }
  const creation = {
    now,
    ...(binding && { eab: binding.eabKeyId }),
    audit: {
      at: now,
      event: 'account.created',
      requestId: request.requestId,
      directory: request.directory.name,
      accountId: account.id,
      data: {
        thumbprint: account.thumbprint,
        contact,
        ...(binding && { eabKeyId: binding.eabKeyId }),
        ...(wanted.hasAgreed && { termsOfService: request.directory.config.termsOfService }),
      },
    },
  }
  const result = await orGivenBack(services.store.accounts.create(account, creation), taken, limits)
  switch (result.outcome) {
    case 'created':
      return { ...located(result.account, request), status: 201 }
    case 'exists':
      limits.giveBack(taken)
      return existingAccount(result.account, request, services)
    case 'eab-unusable':
      limits.giveBack(taken)
      throw refusedKey()
    default:
      return result satisfies never
  }
}

/** 200 and the account as it was before the request (RFC 8555 §7.3.1). */
function existingAccount(
  account: AccountRecord,
  request: AuthenticatedRequest,
  { clock }: Pick<AcmeServices, 'clock'>,
): AcmeResponse {
  refuseEndedAccount(account, clock.now())
  return located(account, request)
}

function located(account: AccountRecord, { directory }: AuthenticatedRequest): AcmeResponse {
  const { termsOfService } = directory.config
  return {
    status: 200,
    location: directory.urls.account(account.id),
    ...(termsOfService !== undefined && { links: [{ url: termsOfService, rel: 'terms-of-service' as const }] }),
    body: renderAccount(account, directory.urls),
  }
}

/** Agreement is asked for only where there are terms (CQ-A07), and is a fact only there. */
function checkTerms(payload: JsonObject, { directory }: AuthenticatedRequest): boolean {
  const { termsOfService } = directory.config
  if (termsOfService === undefined) return false
  if (readFlag(payload, 'termsOfServiceAgreed')) return true
  throw new AcmeError(
    'malformed',
    `Registering needs agreement to ${termsOfService}: send "termsOfServiceAgreed": true`,
    {
      links: [{ url: termsOfService, rel: 'terms-of-service' }],
    },
  )
}

/** A binding sent to a directory that has none is ignored, and not shown (RFC 8555 §7.3.4: not verified, not echoed). */
async function readBinding(
  payload: JsonObject,
  request: AuthenticatedRequest,
  thumbprint: string,
  services: AcmeServices,
): Promise<VerifiedBinding | undefined> {
  const mode = request.directory.config.externalAccount
  if (mode === 'none') return undefined
  const binding = payload['externalAccountBinding'] ?? undefined
  if (binding !== undefined) {
    return verifyExternalAccountBinding(
      binding,
      { url: request.url, directory: request.directory, thumbprint },
      services,
    )
  }
  if (mode === 'optional') return undefined
  throw new AcmeError(
    'externalAccountRequired',
    'This directory needs an external account binding: ask its operator for a key',
  )
}

function keyOf({ signer }: AuthenticatedRequest) {
  if (signer.kind !== 'key') throw new Error('newAccount was routed without a new key')
  return signer
}
