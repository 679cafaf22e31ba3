import { quote } from '../lib/quote.ts'
import type { AcmeDirectory, JsonObject, OfferedProfile } from './endpoint.ts'
import { AcmeError } from './problem.ts'

/**
 * The profile of a new order (draft-ietf-acme-profiles §4): the one it asks for out of those the directory shows in
 * `meta.profiles`, or the directory's default. `null` counts as absent, as some clients write it.
 *
 * @throws {AcmeError} `invalidProfile`, with the profiles that there are
 */
export function chooseProfile(payload: JsonObject, directory: AcmeDirectory): OfferedProfile {
  const asked = payload['profile']
  if (asked === undefined || asked === null) {
    const { profile } = directory
    return directory.profiles.find(({ snapshot }) => snapshot === profile) ?? { snapshot: profile, description: '' }
  }
  if (typeof asked !== 'string') throw new AcmeError('malformed', '"profile" must be the name of a profile')
  const found = directory.profiles.find(({ snapshot }) => snapshot.name === asked)
  if (found !== undefined) return found
  const names = directory.profiles.map(({ snapshot }) => snapshot.name).join(', ')
  throw new AcmeError(
    'invalidProfile',
    `There is no profile ${quote(asked)} here; ask for one of: ${names}, or leave "profile" out`,
  )
}
