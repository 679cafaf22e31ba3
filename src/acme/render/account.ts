import type { AccountRecord } from '../../store/records.ts'
import { accountStatus } from '../state/account.ts'
import type { DirectoryUrls } from '../urls.ts'

/**
 * An account object (RFC 8555 §7.1.2). `orders` is always there (CQ-A06); no contact, no agreement and no binding are
 * left out rather than shown empty (CQ-T09).
 */
export function renderAccount(account: AccountRecord, urls: DirectoryUrls): object {
  return {
    status: accountStatus(account),
    ...(account.contact.length > 0 && { contact: account.contact }),
    ...(account.termsAgreedAt !== undefined && { termsOfServiceAgreed: true }),
    ...(account.externalAccountBinding !== undefined && { externalAccountBinding: account.externalAccountBinding }),
    orders: urls.orders(account.id),
  }
}
