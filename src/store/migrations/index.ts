import { initial } from './0001-initial.ts'
import { rateLimits } from './0002-rate-limits.ts'
import { renewal } from './0003-renewal.ts'
import { storePath } from './0004-store-path.ts'
import { lineages } from './0005-lineages.ts'
import { decisions } from './0006-decisions.ts'
import { keys } from './0007-keys.ts'
import { issuedNames } from './0008-issued-names.ts'
import { identifierTypes } from './0009-identifier-types.ts'
import type { Migration } from './migration.ts'

/** Every step of the schema, in order. */
export const MIGRATIONS: readonly Migration[] = [
  initial,
  rateLimits,
  renewal,
  storePath,
  lineages,
  decisions,
  keys,
  issuedNames,
  identifierTypes,
]
