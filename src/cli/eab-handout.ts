import { directoryUrls } from '../acme/urls.ts'
import type { ResolvedConfig } from '../config/read.ts'
import { renderEnd } from '../external-accounts/ends.ts'
import { encodeBase64url } from '../lib/base64url.ts'
import { directoriesOf } from '../store/eab-key.ts'
import type { EabKeyRecord } from '../store/records.ts'
import type { CommandContext } from './command.ts'

/** Shows a new key with its secret, this once, as its holder needs it. */
export function handOut(
  context: Pick<CommandContext, 'out' | 'err'>,
  config: ResolvedConfig,
  key: EabKeyRecord,
  macKey: Buffer,
): void {
  const hmac = encodeBase64url(macKey)
  const { maxUses = 1, id } = key
  const accounts =
    maxUses === 1 ? 'one account' : maxUses === 'unlimited' ? 'any number of accounts' : `${maxUses} accounts`
  context.out(`Key id:    ${id}`)
  context.out(`MAC key:   ${hmac}   (base64url; shown this once)`)
  const urls = directoriesOf(key).map((name) => directoryUrls(config.publicUrl, name).directory)
  for (const url of urls) context.out(`Directory: ${url}`)
  context.out(`Good for:  ${accounts}, until ${renderEnd(key.expiresAt)}`)
  if (key.accountsEndAt !== undefined)
    context.out(
      `Accounts:  stopped ${key.accountsEndAt.toISOString()}, unless that is put off with \`chancery eab update\``,
    )
  context.out('')
  context.out('Add to the client:')
  for (const url of urls) {
    context.out(`  certbot   --server ${url} --eab-kid ${id} --eab-hmac-key ${hmac}`)
    context.out(`  lego      --server ${url} --eab --kid ${id} --hmac ${hmac}`)
    context.out(`  acme.sh   --register-account --server ${url} --eab-kid ${id} --eab-hmac-key ${hmac}`)
  }
  for (const name of directoriesOf(key)) {
    if (config.directories[name]?.externalAccount !== 'none') continue
    context.err(
      `note: directories.${name}.externalAccount is none, so clients can register without this key; set it to required`,
    )
  }
}
