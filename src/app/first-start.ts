import type { ResolvedConfig } from '../config/read.ts'
import type { Random } from '../lib/random.ts'
import type { Store } from '../store/store.ts'
import { authorityState } from './authority-state.ts'
import { DEFAULT_ISSUER, type Home, HomeError } from './home.ts'
import { nameScope, serverNames } from './name-scope.ts'
import { createAuthority, DEFAULT_AUTHORITY } from './new-authority.ts'
import { databaseName } from './open-store.ts'
import { readPolicyRules } from './policy-file.ts'
import { finishStagedFiles } from './staged-files.ts'

const RESTORE_ADVICE = 'Restore them from a backup; or, to begin with a new CA, move the database away'
const REPLICA_ADVICE =
  'To add a replica, copy the state folder of one that runs, as docs/postgresql.md says. To go on after a loss, ' +
  'restore the folder from a backup. To begin with a new CA, name an empty database in store.url'

/**
 * Sees to it that there is a root and an issuing CA: finishes a ceremony that a crash cut short, makes both in a new
 * state folder, and refuses one that has lost a part.
 *
 * @returns true when they were made now
 * @throws {HomeError} saying what is missing and what to do
 */
export async function ensureAuthority(
  home: Home,
  config: ResolvedConfig,
  deps: { readonly store: Store; readonly passphrase: string | undefined; readonly now: Date; readonly random: Random },
): Promise<boolean> {
  await finishStagedFiles(home)
  const found = await authorityState(home)
  switch (found.state) {
    case 'complete':
      return false
    case 'requested':
      throw new HomeError(
        `the issuing CA waits for its certificate: have ${home.issuerCsr(DEFAULT_ISSUER)} signed, then run ` +
          'chancery init --import-issuer <certificate.pem> --root <root.pem>',
      )
    case 'partial':
      throw new HomeError(
        `${home.path} holds ${found.present.join(', ')} but not ${found.missing.join(', ')}. Restore what is missing from ` +
          'a backup; or, to begin with a new CA, move the whole state folder away',
      )
    case 'none':
      break
    default:
      found satisfies never
  }
  if (await deps.store.retention.holdsAny(['certificates'])) {
    throw new HomeError(
      `${databaseName(config.database)} knows certificates, but the keys of the CA that issued them are not in ` +
        `${home.path}. ${config.database.engine === 'postgres' ? REPLICA_ADVICE : RESTORE_ADVICE}`,
    )
  }
  await createAuthority(
    home,
    config,
    {
      ...DEFAULT_AUTHORITY,
      nameConstraints: nameScope(config, DEFAULT_ISSUER, serverNames(config), await readPolicyRules(config)),
      onlinePassphrase: deps.passphrase,
    },
    { now: deps.now, random: deps.random },
  )
  return true
}
