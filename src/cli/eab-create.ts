import { eabKeyContext } from '../acme/eab-key.ts'
import { directoryUrls } from '../acme/urls.ts'
import { parseDuration } from '../config/duration.ts'
import { nearest } from '../config/nearest.ts'
import { encodeBase64url } from '../lib/base64url.ts'
import { newId } from '../lib/ids.ts'
import { type Command, UsageError } from './command.ts'
import { withStore } from './store-access.ts'

/** Any shell tool can pass it on, and it is as strong as HS256 needs (CQ-A09, RFC 2104 §3). */
const MAC_KEY_BYTES = 32

export const command: Command = {
  details:
    'The key is shown once and kept encrypted. It can be used once, before it expires. Works while the server runs.',
  flags: {
    directory: { value: 'NAME', help: 'the ACME directory it is for (default: default)' },
    expires: { value: 'TIME', help: 'how long it may be used, such as 24h or 30d (default: 7d)' },
    label: { value: 'TEXT', help: 'a note on who gets it, shown by `eab list`' },
  },
  run: (context) =>
    withStore(context, async ({ config, store, wrappedKeys }) => {
      const directory = context.text('directory') ?? 'default'
      const settings = config.directories[directory]
      if (settings === undefined) {
        const near = nearest(directory, Object.keys(config.directories))
        throw new UsageError(
          `there is no directory ${directory}; ${near === undefined ? `known: ${Object.keys(config.directories).join(', ')}` : `did you mean ${near}?`}`,
        )
      }
      const label = context.text('label') ?? ''
      // \p{Cc}: a label is shown in terminals.
      if (label.length > 200 || /\p{Cc}/u.test(label))
        throw new UsageError('--label takes at most 200 characters, without control characters')
      const now = context.clock.now()
      const expiresAt = new Date(now.getTime() + parseDuration(context.text('expires') ?? '7d', '--expires') * 1000)
      const id = newId(context.random, 'eab-key', now)
      const macKey = context.random.bytes(MAC_KEY_BYTES)
      await store.eabKeys.create(
        { id, directory, label, createdAt: now, expiresAt, wrappedMacKey: wrappedKeys.wrap(macKey, eabKeyContext(id)) },
        {
          at: now,
          event: 'eab-key.created',
          directory,
          data: { keyId: id, label, expiresAt: expiresAt.toISOString(), by: 'cli' },
        },
      )
      const hmac = encodeBase64url(macKey)
      const url = directoryUrls(config.publicUrl, directory).directory
      context.out(`Key id:    ${id}`)
      context.out(`MAC key:   ${hmac}   (base64url; shown this once)`)
      context.out(`Directory: ${url}`)
      context.out(`Good for:  one account, until ${expiresAt.toISOString()}`)
      context.out('')
      context.out('Add to the client:')
      context.out(`  certbot   --server ${url} --eab-kid ${id} --eab-hmac-key ${hmac}`)
      context.out(`  lego      --server ${url} --eab --kid ${id} --hmac ${hmac}`)
      context.out(`  acme.sh   --register-account --server ${url} --eab-kid ${id} --eab-hmac-key ${hmac}`)
      if (settings.externalAccount === 'none') {
        context.err(
          `note: directories.${directory}.externalAccount is none, so clients can register without this key; set it to required`,
        )
      }
      return 0
    }),
}
