import type { AcmeDirectory } from './endpoint.ts'

/**
 * The directory object (RFC 8555 §7.1.1): strings at the top, everything else in `meta`, which is always there
 * (CQ-D01, CQ-D02, CQ-D03).
 */
export function renderDirectory({ urls, config, profiles }: AcmeDirectory): object {
  return {
    newNonce: urls.newNonce,
    newAccount: urls.newAccount,
    newOrder: urls.newOrder,
    newAuthz: urls.newAuthz,
    revokeCert: urls.revokeCert,
    keyChange: urls.keyChange,
    renewalInfo: urls.renewalInfo,
    meta: {
      ...(config.termsOfService !== undefined && { termsOfService: config.termsOfService }),
      ...(config.website !== undefined && { website: config.website }),
      ...(config.caaIdentities !== undefined &&
        config.caaIdentities.length > 0 && { caaIdentities: config.caaIdentities }),
      externalAccountRequired: config.externalAccount === 'required',
      // draft-ietf-acme-profiles §3
      profiles: Object.fromEntries(
        profiles.map(({ snapshot, description }) => [snapshot.name, description || snapshot.name]),
      ),
    },
  }
}
